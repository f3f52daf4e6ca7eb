"""What is optional: event files as TensorBoard reads them, and what is said where it is missing."""

import subprocess
import sys

import pytest

import kinsight as ks
from kinsight.errors import MissingExtraError
from training.cases import data, monitor, network, train


def test_scalars_and_pictures_are_read_back_by_tensorboard(tmp_path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed: pip install 'kinsight[tensorboard]'",
    )
    model = network()
    with monitor(model, tmp_path / "a", tensorboard=True) as watched:
        train(model, 6, watched.step)
    with monitor(model, tmp_path / "a", tensorboard=True, first_step=4) as watched:
        watched.after_step(6)
    events = reading.EventAccumulator(str(tmp_path / "a" / "tensorboard"))
    events.Reload()
    rows = watched.table().to_pylist()
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    for name in ("effective_rank", "density_median", "share_used", "change_since_start"):
        written = {event.step: event.value for event in events.Scalars(f"kinsight/{name}")}
        expected = {row["step"]: row[name] for row in rows if row[name] is not None}
        assert written == pytest.approx(expected, rel=1e-6)
    assert set(events.Tags()["images"]) == {"kinsight/kernel", "kinsight/fit"}
    assert events.Images("kinsight/kernel")[-1].width > 300


@pytest.mark.parametrize(
    ("package", "make", "line"),
    [
        ("tensorboard", "monitor(network(), folder, tensorboard=True)", "kinsight[tensorboard]"),
        ("lightning", "ks.training.LightningMonitor", "kinsight[lightning]"),
        ("transformers", "ks.training.TransformersMonitor", "kinsight[transformers]"),
    ],
)
def test_without_a_package_the_install_line_is_named_and_nothing_written(
    tmp_path, monkeypatch, package, make, line
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
    for name in ("LightningMonitor", "TransformersMonitor"):
        monkeypatch.delitem(vars(ks.training), name, raising=False)
    names = {"monitor": monitor, "network": network, "ks": ks, "folder": tmp_path / "a"}
    with pytest.raises(MissingExtraError, match="pip install") as error:
        eval(make, names)
    if package != "transformers" or "accelerate" not in str(error.value):
        assert line in str(error.value)
    assert not (tmp_path / "a").exists()


def test_unknown_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Watcher'"):
        ks.training.Watcher  # noqa: B018
    assert "Monitor" in dir(ks.training)


def test_a_plain_monitor_needs_no_optional_package() -> None:
    code = (
        "import sys, tempfile, torch, kinsight as ks\n"
        "x = torch.randn(6, 2)\n"
        "m = ks.training.Monitor(torch.nn.Linear(2, 1), x, folder=tempfile.mkdtemp() + '/m')\n"
        "names = ('tensorboard', 'lightning', 'transformers', 'matplotlib', 'sklearn')\n"
        "sys.stdout.write(str([n for n in names if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]"
    assert data()[0].shape == (24, 4)

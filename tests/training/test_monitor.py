"""When a monitor looks, what it goes on with, and what it refuses."""

import time

import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import kinsight as ks
from kinsight.errors import ArgumentError, DataError, ParameterError, RunFolderError
from training.cases import COUNT, data, monitor, network, seeded, train


def steps(watched: ks.training.Looks) -> list[int]:
    return watched.table()["step"].to_pylist()


def test_looks_at_the_start_then_every_so_many_steps_and_at_the_end_if_asked(tmp_path) -> None:
    model = network()
    with monitor(model, tmp_path / "a", every=3, at_end=True) as watched:
        train(model, 7, watched.step)
    assert steps(watched) == [0, 3, 6, 7]
    watched.close()  # once is enough
    assert steps(watched) == [0, 3, 6, 7]
    with monitor(model, tmp_path / "b", every=3) as watched:
        assert [watched.after_step(step) for step in (1, 1, 5, 7, 8)] == [
            False, False, True, False, True,
        ]  # fmt: skip
    assert steps(watched) == [0, 5, 8]


def test_an_error_in_the_training_is_no_end_to_look_at(tmp_path) -> None:
    def broken() -> None:
        with monitor(network(), tmp_path / "a", at_end=True) as watched:
            watched.after_step(1)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert steps(ks.training.Looks(tmp_path / "a")) == [0]


def test_time_spent_stays_within_the_share_and_stands_in_the_table(tmp_path) -> None:
    model = network()
    watched = monitor(model, tmp_path / "a", every=1, share=0.8)
    end = time.monotonic() + 60  # however slow the machine: looks cost what steps must bear
    while len(watched) < 4 and time.monotonic() < end:
        time.sleep(0.002)
        watched.step()
    rows = watched.table().to_pylist()
    assert len(rows) == 4
    assert rows[-1]["step"] > 10  # it waited
    for row in rows[1:]:
        # The last look may cost more than expected, the ones before are paid for.
        assert row["spent_seconds"] - row["look_seconds"] <= 0.8 * row["seconds"]
        assert row["share_used"] == pytest.approx(row["spent_seconds"] / row["seconds"])
        assert row["share_allowed"] == 0.8
    assert rows[0]["share_used"] is None or rows[0]["share_used"] > 1


def test_a_stopped_monitor_goes_on_in_its_folder(tmp_path) -> None:
    whole, model = tmp_path / "whole", seeded()
    with monitor(model, whole, stays=2) as watched:
        train(model, 8, watched.step)
    model = seeded()

    def train_in_two(folder) -> ks.training.Monitor:
        kept: list[ks.training.Monitor] = [monitor(model, folder, stays=2)]

        def step() -> None:
            if kept[-1].step() and len(kept[-1]) == 3:  # the process ends and another goes on
                kept.append(monitor(model, folder, stays=2))

        train(model, 8, step)
        assert len(kept) == 2
        return kept[-1]

    resumed = train_in_two(tmp_path / "two")
    timing = ["seconds", "look_seconds", "spent_seconds", "share_used"]
    assert resumed.table().drop(timing).equals(watched.table().drop(timing))
    for look in range(len(watched)):
        assert resumed.samples(look).equals(watched.samples(look))
    assert resumed.table()["spent_seconds"].to_pylist() == sorted(
        resumed.table()["spent_seconds"].to_pylist()
    )
    assert sorted(p.name for p in (whole / "kernels").iterdir()) == ["000000.npy", "000004.npy"]


def test_training_that_begins_at_an_earlier_checkpoint_takes_back_later_looks(tmp_path) -> None:
    model = network()
    with monitor(model, tmp_path / "a") as watched:
        train(model, 6, watched.step)
    again = monitor(model, tmp_path / "a", first_step=3)
    assert steps(again) == [0, 2]
    assert not (tmp_path / "a" / "samples" / "000002.parquet").exists()
    assert not again.after_step(3)
    assert again.after_step(4)
    last = again.table().to_pylist()[-1]
    assert last["change_since_last"] is None  # that kernel was not kept
    assert last["change_since_start"] > 0
    anew = monitor(network(1), tmp_path / "a", first_step=0)
    assert steps(anew) == [0]
    assert anew.table()["change_since_start"].to_pylist() == [None]


def test_without_labels_what_needs_them_is_absent_and_the_table_says_so(tmp_path) -> None:
    model = network()
    with monitor(model, tmp_path / "a", data()[0]) as watched:
        train(model, 2, watched.step)
    last = watched.table().to_pylist()[-1]
    for name in ("fit_ambiguous", "similarity_within", "accuracy", "suspects", "memorised"):
        assert last[name] is None
    assert last["density_mean"] > 0
    assert set(watched.samples()["suspected"].to_pylist()) == {None}
    assert watched.persistent() == []
    assert "none: no figures on labels" in watched._repr_html_()


def test_real_labels_have_suspects_and_no_classes(tmp_path) -> None:
    x, _ = data()
    watched = monitor(nn.Linear(4, 1), tmp_path / "a", x, labels=x.sum(1))
    last = watched.table().to_pylist()[-1]
    assert last["suspects"] >= 0
    assert last["similarity_within"] is None
    assert last["memorised"] is None
    assert watched.samples()["label"].to_pylist() == x.sum(1).double().tolist()


def test_a_data_set_of_samples_with_labels_is_a_probe_and_so_is_a_dict(tmp_path) -> None:
    x, labels = data()
    model = network()
    tables = [
        monitor(model, tmp_path / name, probe).table().drop(["seconds", "look_seconds"])
        for name, probe in (
            ("list", list(zip(x, labels, strict=True))),
            ("set", torch.utils.data.TensorDataset(x, labels)),
            ("columns", {"input": x, "labels": labels}),
        )
    ]
    drop = ["spent_seconds", "share_used"]
    assert tables[0].drop(drop).equals(tables[1].drop(drop))
    assert tables[0].drop(drop).equals(tables[2].drop(drop))
    assert tables[0]["similarity_within"][0].is_valid


def test_weights_that_became_nan_leave_a_row_and_training_goes_on(tmp_path) -> None:
    model = network()
    watched = monitor(model, tmp_path / "a")
    with torch.no_grad():
        model[0].weight.fill_(torch.nan)
    with pytest.warns(ks.errors.NonFiniteGradientWarning):
        watched.look()
    last = watched.table().to_pylist()[-1]
    assert last["set_apart"] == COUNT
    assert last["density_mean"] is None


def test_a_compiled_network_is_looked_at_as_it_is_inside(tmp_path) -> None:
    model = network()
    compiled = torch.compile(model, backend="eager")
    with monitor(compiled, tmp_path / "a", every=1) as watched:
        train(compiled, 2, watched.step)
    plain = monitor(model, tmp_path / "b")
    assert steps(watched) == [0, 1, 2]
    for name in ("density_mean", "trace", "accuracy"):
        assert watched.table()[name][-1] == plain.table()[name][0]


def test_layers_that_are_frozen_later_still_count(tmp_path) -> None:
    model = network()
    watched = monitor(model, tmp_path / "a")
    model[0].requires_grad_(False)
    watched.look()
    assert watched.table()["change_since_start"][-1].as_py() == 0.0
    assert not model[0].weight.requires_grad


def test_persistent_and_memorised_samples_and_since_when(tmp_path) -> None:
    x, labels = data()
    labels[4] = (labels[4] + 1) % 3
    model = network()
    with monitor(model, tmp_path / "a", (x, labels), every=1, stays=2) as watched:
        train(model, 12, watched.step)
    assert 4 in watched.persistent()
    looks = [watched.samples(i) for i in range(len(watched))]
    since = watched.since("suspected")
    for sample, step in since.items():
        marks = [look["suspected"][sample].as_py() for look in looks]
        assert all(marks[step:])
        assert step == 0 or not marks[step - 1]
        assert looks[-1]["in_a_row"][sample].as_py() == len(marks) - step
    assert set(since) == {i for i, m in enumerate(looks[-1]["suspected"].to_pylist()) if m}
    with pytest.raises(ArgumentError, match="column: expected"):
        watched.since("label")
    with pytest.raises(ArgumentError, match="look: expected"):
        watched.samples(99)


def test_what_is_no_probe_no_network_or_no_number_is_refused(tmp_path) -> None:
    model, (x, labels) = network(), data()
    place = tmp_path / "a"
    with pytest.raises(DataError, match="at least one sample"):
        monitor(model, place, x[:0])
    with pytest.raises(ArgumentError, match="probe: expected at least 2"):
        monitor(model, place, x[:1])
    with pytest.raises(ParameterError, match="expected a network with parameters"):
        monitor(nn.ReLU(), place, x)
    with pytest.raises(ArgumentError, match="share: expected"):
        monitor(model, place, x, share=5)
    with pytest.raises(ArgumentError, match="every: expected"):
        monitor(model, place, x, every=0)
    with pytest.raises(ArgumentError, match="stays: expected"):
        monitor(model, place, x, stays=0)
    with pytest.raises(ArgumentError, match="labels: expected one for each"):
        monitor(model, place, x, labels=labels[:3])
    with pytest.raises(ArgumentError, match="at least two classes"):
        monitor(model, place, x, labels=torch.zeros(COUNT).long())
    assert not place.exists()
    watched = monitor(model, place)
    watched.after_step(5)
    with pytest.raises(ArgumentError, match="step: expected at least 5"):
        watched.after_step(4)
    watched.close()
    with pytest.raises(ArgumentError, match="closed"):
        watched.step()


def test_folders_of_others_are_left_alone(tmp_path) -> None:
    model, (x, labels) = network(), data()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="new or empty folder"):
        monitor(model, tmp_path / "theirs")
    place = tmp_path / "a"
    monitor(model, place)
    for more in ({"output": ks.outputs.OwnClass()}, {"parameters": "0.*"},
                 {"probe": (x + 1, labels)}, {"labels": labels.flip(0)}):  # fmt: skip
        with pytest.raises(RunFolderError, match="expected looks at the same"):
            monitor(model, place, **more)
    (place / "looks.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunFolderError, match="Parquet"):
        ks.training.Looks(place)
    with pytest.raises(RunFolderError, match="record of a monitor"):
        ks.training.Looks(tmp_path / "theirs")


def test_a_first_look_that_failed_is_tried_again_with_other_settings(tmp_path) -> None:
    model, (x, labels) = network(), data()
    with pytest.raises(ks.errors.NetworkError, match="could not run"):
        monitor(model, tmp_path / "a", x[:, :3], labels=labels)
    watched = monitor(model, tmp_path / "a", x, labels=labels, output=ks.outputs.Probes(2))
    assert steps(watched) == [0]
    again = monitor(model, tmp_path / "a", x, labels=labels, output=ks.outputs.Probes(2))
    assert again.table().equals(watched.table())


def test_the_looks_are_read_without_the_network_and_shown(tmp_path) -> None:
    model = network()
    with monitor(model, tmp_path / "a") as watched:
        train(model, 4, watched.step)
    read = ks.training.Looks(tmp_path / "a")
    assert read.table().equals(watched.table())
    assert pq.read_table(tmp_path / "a" / "looks.parquet").equals(read.table())
    shown = read._repr_html_()
    assert "persistent suspects" in shown
    assert "<svg" in shown
    assert len(read.plot().axes) == 6

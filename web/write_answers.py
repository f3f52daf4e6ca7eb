"""Writes src/api/answers.ts: the answers of the server as types, read from its own models."""

import inspect
import sys
import types
import typing
from pathlib import Path

from pydantic import BaseModel

from kinsight.explorer import answers

PLACE = Path(__file__).parent / "src" / "api" / "answers.ts"
HEAD = "// What the server answers; written by write_answers.py from kinsight.explorer.answers.\n"
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def declarations() -> str:
    """One interface a model, in the order of the module."""
    models = [
        found
        for found in vars(answers).values()
        if inspect.isclass(found) and issubclass(found, BaseModel) and found is not BaseModel
    ]
    return HEAD + "".join(f"\n{interface(model)}" for model in models)


def interface(model: type[BaseModel]) -> str:
    """A model as an interface; a field is named as it is sent."""
    fields = [
        f"  {field.alias or name}: {written(field.annotation)};\n"
        for name, field in model.model_fields.items()
    ]
    return f"export interface {model.__name__} {{\n{''.join(fields)}}}\n"


def written(annotation: typing.Any) -> str:
    """A type of Python as one of TypeScript."""
    if annotation is typing.Any:
        return "unknown"
    if annotation in PLAIN:
        return PLAIN[annotation]
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation.__name__
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        return " | ".join(written(kind) for kind in inner)
    if origin is list:
        item = written(inner[0])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if origin is dict:
        return f"Record<string, {written(inner[1])}>"
    sys.exit(f"{annotation}: expected a type that answers.ts can say")


if __name__ == "__main__":
    PLACE.write_text(declarations(), encoding="utf-8")

"""Fields of a tool's JSON or XML, each with the kind that it must have: what is missing is named."""

import json
import math
from typing import Any
from xml.etree import ElementTree

LARGEST = 2**24
"""The largest number of a point or a side; more is damage."""

KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}


def parse_json(content: bytes) -> Any:
    """The value in a JSON file. ValueError if it is damaged, or deeper than any tool writes."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"its JSON is damaged or cut short ({error})") from error
    except RecursionError as error:
        raise ValueError("its JSON has more levels than any annotation") from error


def parse_xml(content: bytes) -> ElementTree.Element:
    """The root of an XML file. ValueError if it is damaged, or declares entities, which no tool does."""
    if b"<!ENTITY" in content:
        raise ValueError("its XML declares entities, which no tool does; take them out")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter two for an unknown encoding
        raise ValueError(f"its XML is damaged or cut short ({error})") from error


def field(item: Any, name: str, kind: type) -> Any:
    """`item[name]`, an object, list or text. ValueError if it is not there, or another kind of thing."""
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"it lacks {name!r} where there should be one")
    if not isinstance(item[name], kind):
        raise ValueError(f"its {name!r} is {shown(item[name])}, and should be {KINDS[kind]}")
    return item[name]


def number(value: Any, name: str) -> float:
    """A number, or a text of one. ValueError if it is none, or none of a picture."""
    try:
        if isinstance(value, bool | list | dict | None):
            raise ValueError
        result = float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"its {name} is {shown(value)}, and should be a number") from error
    if not abs(result) <= LARGEST:  # nan is not, either
        raise ValueError(f"its {name} is {shown(value)}, and must be within {LARGEST}")
    return result


def whole(value: Any, name: str) -> int:
    """A whole number, 0 or more. ValueError if it is none."""
    result = number(value, name)
    if result < 0 or result != math.floor(result):
        raise ValueError(f"its {name} is {shown(value)}, and should be a whole number, 0 or more")
    return int(result)


def size_of(item: Any, height: str = "height", width: str = "width") -> tuple[int, int]:
    """(height, width) in pixels. ValueError if they are not there."""
    if not isinstance(item, dict):
        raise ValueError(f"it has {shown(item)} where a picture should be")
    return whole(item.get(height), height), whole(item.get(width), width)


def points_of(value: Any, least: int = 1) -> list[tuple[float, float]]:
    """Points [[x, y], ...]. ValueError if they are none, or fewer than `least`."""
    if not isinstance(value, list) or not all(isinstance(point, list) and len(point) == 2 for point in value):
        raise ValueError(f"its points are {shown(value)}, and should be [[x, y], ...]")
    if len(value) < least:
        raise ValueError(f"a shape of it has {len(value)} points and needs {least}")
    return [(number(x, "point"), number(y, "point")) for x, y in value]


def shown(value: Any) -> str:
    """A value for people, cut to a line."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."

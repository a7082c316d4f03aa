"""Classes for the objects of pickle_objects.py, in a module of their own so that they pickle by name."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Job:
    name: str
    parts: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: float


class Pair(NamedTuple):
    left: Any
    right: Any


class Tags(dict[str, Any]):
    """A dict with attributes of its own: items and a state."""


class Queue(list[Any]):
    """A list with attributes of its own."""


class WithArguments:
    """Made with keyword arguments when it is read: NEWOBJ_EX."""

    def __new__(cls, *, size: int) -> WithArguments:
        made = super().__new__(cls)
        made.size = size
        return made

    size: int

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), {"size": self.size}


class JobError(ValueError):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code

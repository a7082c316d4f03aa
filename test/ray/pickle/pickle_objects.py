"""Random Python objects for the differential test of the pickle reader and writer.

    make SEED COUNT    writes COUNT pickles, by every pickler there is, protocols 2 to 5
    check              reads pickles that others have re-written and compares each with the object of its seed
    echo               reads pickles and writes what they hold again
    raised             writes exceptions as Ray sends them

Each pickle comes behind its seed and its length, four bytes each, least significant first.
"""

# An object here is anything at all, and every pickle was made by this file or by its test.
# ruff: noqa: ANN401, S301

from __future__ import annotations

import collections
import datetime as dt
import decimal
import io
import pickle
import random
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
from pickle_shapes import Colour, Job, JobError, Level, Pair, Point, Queue, Tags, WithArguments
from ray import cloudpickle
from ray.exceptions import RayTaskError

TEXT = "abc_- \n\0\"'\\0123é߿ሴ\ufeff�\U0001f600\U0010ffff"
KEYS = ["name", "", "0", "42", "__proto__", "constructor", "toString", "é", "a b"]
DTYPES = "?bBhHiIqQfdFD"
ORDERS: list[Literal["<", ">"]] = ["<", ">"]
UNREAD_DTYPES = ["f2", "M8[s]", "m8[ns]", "U3", "S4", "O", [("a", "i4"), ("b", "f8")]]


class Maker:
    """One object by its seed; what it has made can come again, so objects share and contain themselves."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.made: list[Any] = []

    def make(self, depth: int = 0) -> Any:
        if self.made and self.random.random() < 0.05:
            return self.random.choice(self.made)
        return self.random.choice(LEAVES if depth >= 4 else LEAVES + CONTAINERS * 2)(self, depth)

    def several(self, depth: int) -> list[Any]:
        return [self.make(depth + 1) for _ in range(self.random.choice([0, 1, 1, 2, 3, 4, 7]))]

    def keep(self, value: Any) -> Any:
        self.made.append(value)
        return value

    def integer(self) -> int:
        bits = self.random.choice([1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 52, 53, 54, 63, 64, 65, 128, 2040, 4000])
        return self.random.choice([-1, 1]) * self.random.getrandbits(bits) + self.random.choice([-1, 0, 0, 1])

    def number(self) -> float:
        special = [0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308]
        return self.random.choice([*special, 2.0**53, 2.0**70, self.random.random(), self.random.gauss(0, 1e9)])

    def text(self) -> str:
        length = self.random.choice([0, 1, 2, 5, 20, 300])
        characters = self.random.choices(TEXT, k=length)
        if length and self.random.random() < 0.2:
            characters[self.random.randrange(length)] = chr(self.random.randrange(0xD800, 0xE000))
        return "".join(characters)

    def bytes(self) -> bytes:
        return self.random.randbytes(self.random.choice([0, 1, 5, 255, 256, 1000]))

    def hashable(self) -> Any:
        choices: list[Callable[[], Any]] = [
            self.integer,
            lambda: self.random.random(),
            self.text,
            self.bytes,
            lambda: (self.integer(), self.text()),
            lambda: self.random.choice([None, True, False, 2.0, Colour.RED, Point(1, 0.5)]),
            lambda: decimal.Decimal(self.integer()),
            lambda: frozenset([self.text(), self.integer()]),
        ]
        return self.random.choice(choices)()

    def moment(self) -> dt.datetime:
        zone = self.zone()
        fold = self.random.randrange(2)
        fields = [self.random.randrange(1, 10000), self.random.randrange(1, 13), self.random.randrange(1, 29)]
        return dt.datetime(
            fields[0],
            fields[1],
            fields[2],
            self.random.randrange(24),
            self.random.randrange(60),
            self.random.randrange(60),
            self.random.randrange(10**6),
            zone,
            fold=fold,
        )

    def zone(self) -> dt.timezone | None:
        offset = dt.timedelta(seconds=self.random.randrange(-86_399, 86_400), microseconds=self.random.choice([0, 1]))
        return self.random.choice([None, dt.timezone.utc, dt.timezone(offset), dt.timezone(offset, "here")])

    def array(self) -> np.ndarray[Any, Any]:
        shape = tuple(self.random.choice([0, 1, 2, 3]) for _ in range(self.random.randrange(4)))
        size = int(np.prod(shape))
        if self.random.random() < 0.2:
            unread: np.ndarray[Any, Any] = np.zeros(shape, dtype=self.random.choice(UNREAD_DTYPES))
            return unread
        dtype = np.dtype(self.random.choice(DTYPES)).newbyteorder(self.random.choice(ORDERS))
        raw = self.random.randbytes(size * dtype.itemsize)
        if dtype == np.bool_:
            raw = bytes(byte & 1 for byte in raw)
        return np.frombuffer(raw, dtype).reshape(shape, order=self.random.choice(["C", "F"])).copy("K")

    def scalar(self) -> Any:
        dtype = np.dtype(self.random.choice(DTYPES))
        if dtype.kind in "fc":
            # Which NaN it is, a number in JavaScript does not keep.
            with np.errstate(over="ignore"):
                return dtype.type(self.number())
        raw = self.random.randbytes(dtype.itemsize)
        return np.frombuffer(b"\1" if dtype == np.bool_ else raw, dtype)[0]


def make_cycle(maker: Maker, depth: int) -> Any:
    inner: list[Any] = maker.several(depth)
    kind = maker.random.randrange(4)
    if kind == 0:
        inner.append(inner)
        return inner
    if kind == 1:
        around = (inner, maker.make(depth + 1))
        inner.append(around)
        return around
    if kind == 2:
        table: dict[str, Any] = {"inner": inner}
        inner.append(table)
        return table
    job = Job("cycle", inner)
    inner.append(job)
    return job


def make_tags(maker: Maker, depth: int) -> Tags:
    tags = Tags({maker.text(): maker.make(depth + 1) for _ in range(2)})
    tags.note = maker.text()  # type: ignore[attr-defined]
    return tags


def make_error(maker: Maker, depth: int) -> BaseException:
    error = maker.random.choice([ValueError, KeyError, OSError, RuntimeError])(*maker.several(depth)[:2])
    return maker.random.choice([error, JobError(maker.text(), 7), ZeroDivisionError("division by zero")])


LEAVES: list[Callable[[Maker, int], Any]] = [
    lambda m, d: None,
    lambda m, d: m.random.random() < 0.5,
    lambda m, d: m.integer(),
    lambda m, d: m.integer(),
    lambda m, d: m.number(),
    lambda m, d: m.number(),
    lambda m, d: m.text(),
    lambda m, d: m.text(),
    lambda m, d: m.bytes(),
    lambda m, d: m.keep(bytearray(m.bytes())),
    lambda m, d: complex(m.number(), m.number()),
    lambda m, d: range(m.integer(), m.integer(), m.random.choice([1, -2, 3, 2**70])),
    lambda m, d: decimal.Decimal(m.random.choice(["1.10", "-0E+3", "NaN", "sNaN12", "-Infinity", "1E-28", "0.1"])),
    lambda m, d: decimal.Decimal(m.integer()).scaleb(m.random.randrange(-9, 9)),
    lambda m, d: uuid.UUID(int=m.random.getrandbits(128)),
    lambda m, d: m.moment(),
    lambda m, d: m.moment().timetz(),
    lambda m, d: m.moment().date(),
    lambda m, d: dt.timedelta(m.random.randrange(-(10**8), 10**8), m.integer() % 10**6, m.integer() % 10**7),
    lambda m, d: m.zone(),
    lambda m, d: m.random.choice([Colour.RED, Colour.BLUE, Level.HIGH, Point(3, m.number()), Job, len, int]),
    lambda m, d: m.keep(m.array()),
    lambda m, d: m.scalar(),
]
CONTAINERS: list[Callable[[Maker, int], Any]] = [
    lambda m, d: m.keep(m.several(d)),
    lambda m, d: m.keep(tuple(m.several(d))),
    lambda m, d: m.keep({m.hashable() for _ in range(m.random.randrange(5))}),
    lambda m, d: frozenset(m.hashable() for _ in range(m.random.randrange(5))),
    lambda m, d: m.keep({m.random.choice(KEYS): m.make(d + 1) for _ in range(4)}),
    lambda m, d: m.keep({m.hashable(): m.make(d + 1) for _ in range(4)}),
    lambda m, d: m.keep(Job(m.text(), m.several(d))),
    lambda m, d: Pair(m.make(d + 1), m.make(d + 1)),
    lambda m, d: collections.OrderedDict((m.text(), m.make(d + 1)) for _ in range(3)),
    lambda m, d: collections.deque(m.several(d), 10),
    lambda m, d: collections.defaultdict(list, {"a": m.several(d)}),
    make_tags,
    lambda m, d: Queue(m.several(d)),
    lambda m, d: WithArguments(size=m.integer()),
    make_error,
    make_cycle,
]


def canonical(value: Any, seen: dict[int, int] | None = None) -> str:
    """Text that is equal for two objects exactly if they are of the same types, values and shape of sharing."""
    seen = {} if seen is None else seen
    kind = f"{type(value).__module__}.{type(value).__qualname__}"

    def of(part: Any) -> str:
        return canonical(part, seen)

    if isinstance(value, (list, dict, set, bytearray, np.ndarray, Job, Tags)):
        if id(value) in seen:
            return f"#{seen[id(value)]}"
        seen[id(value)] = len(seen)
    if isinstance(value, np.ndarray):
        native = value.astype(value.dtype.newbyteorder("="))
        content = repr(native.tolist()) if native.dtype.hasobject else native.tobytes().hex()
        return f"array({native.dtype}, {native.shape}, {native.flags.f_contiguous}, {content})"
    if isinstance(value, np.generic):
        return f"{kind}:{value.tobytes().hex()}"
    if isinstance(value, (set, frozenset)):
        return f"{kind}{{{', '.join(sorted(map(of, value)))}}}"
    if isinstance(value, dict):
        # JavaScript's objects put keys like "42" first.
        pairs = sorted(value.items(), key=lambda pair: canonical(pair[0], {}))
        parts = ", ".join(f"{of(key)}: {of(member)}" for key, member in pairs)
        return f"{kind}{{{parts}}}{of(tuple(sorted(vars(value).items()))) if hasattr(value, '__dict__') else ''}"
    if isinstance(value, (list, tuple, collections.deque)):
        return f"{kind}[{', '.join(map(of, value))}]"
    if isinstance(value, (dt.datetime, dt.time)):
        return f"{value!r} fold {value.fold}"
    if isinstance(value, Job):
        return f"Job({of(value.name)}, {of(value.parts)})"
    if isinstance(value, WithArguments):
        return f"WithArguments({value.size})"
    if isinstance(value, BaseException):
        return f"{kind}({of(value.args)}, {of(tuple(sorted(vars(value).items())))})"
    return f"{kind}:{value!r}"


def pure_python_dumps(value: Any, protocol: int) -> bytes:
    out = io.BytesIO()
    # At protocol 5 it takes the bytes of an array for others that were in the same place before.
    pickle._Pickler(out, min(protocol, 4)).dump(value)
    return out.getvalue()


# Ray's is not annotated.
by_ray: Callable[..., bytes] = cloudpickle.dumps
PICKLERS: list[Callable[[Any, int], bytes]] = [pickle.dumps, pure_python_dumps, by_ray]


def dumps(value: Any, number: int) -> bytes:
    """By another pickler and protocol for each number."""
    return bytes(PICKLERS[number % 3](value, 2 + number // 3 % 4))


def objects(seed: int, count: int) -> Iterator[tuple[int, bytes]]:
    """Pickles with their seeds, such as Python itself reads without loss: a fold is lost before protocol 4, say."""
    made = 0
    while made < count:
        seed += 1
        value = Maker(seed).make()
        try:
            pickled = dumps(value, seed)
            is_kept = canonical(pickle.loads(pickled)) == canonical(value)
        except (TypeError, ValueError, AttributeError, AssertionError, RecursionError, pickle.PicklingError):
            continue
        if is_kept:
            yield seed, pickled
            made += 1


def write(out: BinaryIO, seed: int, pickled: bytes) -> None:
    out.write(seed.to_bytes(4, "little"))
    out.write(len(pickled).to_bytes(4, "little"))
    out.write(pickled)


def read(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while head := source.read(8):
        yield int.from_bytes(head[:4], "little"), source.read(int.from_bytes(head[4:], "little"))


def check(source: BinaryIO) -> None:
    count = failed = 0
    for seed, pickled in read(source):
        made = canonical(Maker(seed).make())
        try:
            again = canonical(pickle.loads(pickled))
        except Exception as error:
            again = f"{type(error).__name__}: {error}"
        count += 1
        if again != made:
            failed += 1
            print(f"object of seed {seed}:\n  made  {made[:2000]}\n  read  {again[:2000]}")
    print(f"{count - failed} of {count} are equal")


def raised() -> Iterator[BaseException]:
    """What a failing task's result is: an error of Python, of a class the driver does not have, of Ray's own."""

    class LocalError(Exception):
        pass

    task_error_class: Callable[..., RayTaskError] = RayTaskError
    trace = 'ray::work()\n  File "work.py", line 3, in work\nValueError: bad'
    by_value = LocalError("local", 7)
    for cause in (ValueError("bad"), by_value, JobError("job", 3), KeyError("k"), FileNotFoundError(2, "no file", "x")):
        task_error: Any = task_error_class("work", trace, cause, "ray::work", 17, "10.0.0.1")
        yield task_error
        yield task_error.as_instanceof_cause()
    yield SyntaxError("invalid syntax", ("<ts:f>", 3, 1, "def", 3, 4))


def main(command: str, *args: str) -> None:
    out, source = sys.stdout.buffer, sys.stdin.buffer
    if command == "make":
        for seed, pickled in objects(int(args[0]), int(args[1])):
            write(out, seed, pickled)
    elif command == "check":
        check(source)
    elif command == "echo":
        for seed, pickled in read(source):
            write(out, seed, dumps(pickle.loads(pickled), seed))
    elif command == "raised":
        for number, error in enumerate(raised()):
            write(out, number, bytes(by_ray(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])

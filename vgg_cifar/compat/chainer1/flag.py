"""chainer.flag of Chainer 1: what Variable(x, volatile=...) takes. It went with Chainer 2."""

import enum


class Flag(enum.Enum):
    """On, off or automatic; equal to the strings and to True, False and None, by which it is also made."""

    ON = True
    OFF = False
    AUTO = None

    @classmethod
    def _missing_(cls, value: object) -> 'Flag | None':
        return cls.__members__.get(str(value).upper())

    def __bool__(self) -> bool:
        """Return whether it is on; raises ValueError if it is automatic."""
        if self is Flag.AUTO:
            raise ValueError('Flag AUTO cannot be converted to boolean')
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        try:
            return self is Flag(other)
        except ValueError:
            return False

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


ON, OFF, AUTO = Flag.ON, Flag.OFF, Flag.AUTO

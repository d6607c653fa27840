"""What data is called that no checksum vouches for."""

OFFICIAL = ('cifar10', 'cifar100', 'mnist', 'emnist-balanced')


def unverified_name(name: str) -> str:
    """Return its own name, which the numbers made from it will carry; never that of an official data set."""
    name = name.lower()
    return f'{name} (unverified)' if name in OFFICIAL else name

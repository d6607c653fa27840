"""What all commands parse their arguments by."""

import argparse
from pathlib import Path
from typing import Any


class Parser(argparse.ArgumentParser):
    """Parses words as argparse does, but takes no empty word for a path: Path() is the working directory."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register('type', Path, _path)


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError('the path is empty; give a name, or . for the working directory')
    return Path(text)

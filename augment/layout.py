"""How the augmented images are cut: into chunks, the units of the file, and blocks, the units of the work."""

import math
from dataclasses import dataclass

# A chunk is what a shuffled reader fetches at once: large enough that a disk or a network file system reads
# it nearly at full speed, small enough that a buffer of a few hundred mixes well.
CHUNK_BYTES = 2**20

# What a disk is written in, where that can be had.
PAGE_BYTES = 4096

# A block is what one thread reads, computes and writes at a time.
BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Layout:
    """`rows` of the source, `copies` of each, chunks of `chunk` images, blocks of `block` rows.

    Either a chunk holds whole rows or a row fills whole chunks; a block fills whole chunks. `whole_pages`
    says whether chunks fill whole pages.
    """

    rows: int
    copies: int
    chunk: int
    block: int
    whole_pages: bool

    @property
    def blocks(self) -> int:
        """The number of blocks; the last may be smaller."""
        return -(-self.rows // self.block)

    @property
    def block_images(self) -> int:
        """The number of images of a full block."""
        return self.block * self.copies

    def block_rows(self, number: int) -> slice:
        """Return the rows of a block, counted from the first row to augment."""
        return slice(number * self.block, min(self.rows, (number + 1) * self.block))


def layout(rows: int, copies: int, image_bytes: int) -> Layout:
    """Return the layout for `rows` images of which `copies` copies, of `image_bytes` each, are made."""
    chunk = max(1, CHUNK_BYTES // image_bytes)
    page_images = PAGE_BYTES // math.gcd(PAGE_BYTES, image_bytes)
    for step in (math.lcm(copies, page_images), copies):
        if chunk >= step:
            chunk -= chunk % step
            break
    else:
        chunk = max(size for size in range(1, chunk + 1) if copies % size == 0)
    # A chunk cannot be larger than its data set.
    chunk = min(chunk, rows * copies)
    unit = max(1, chunk // copies)
    block = min(-(-rows // unit), max(1, BLOCK_BYTES // (unit * copies * image_bytes))) * unit
    return Layout(rows, copies, chunk, block, chunk * image_bytes % PAGE_BYTES == 0)

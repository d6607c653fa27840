"""Keeps signals off the stack that oneDNN's kernels compute on.

Kernels that oneDNN 3.2 generates keep values below the 128 bytes under the stack pointer that a signal
handler leaves alone. A signal in the middle of one, a Ctrl-C or a scheduler's SIGTERM, overwrites them: the
heap is corrupted or results are wrong. Python's handlers run on a stack of their own where there is one.
"""

import ctypes

# More than a signal needs to save all registers, AMX tiles included (about 11 kB).
STACK_BYTES = 1 << 18
DISABLED = 2


class _Stack(ctypes.Structure):
    _fields_ = (('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


# Never freed: the kernel knows its address.
_memory: list[ctypes.Array] = []


def provide() -> None:
    """Give this thread, which is the main one when a program imports the package, a stack for signals.

    One that is there, such as faulthandler's, is kept. Signals to a process go to its main thread.
    """
    sigaltstack = ctypes.CDLL(None, use_errno=True).sigaltstack
    present = _Stack()
    if sigaltstack(None, ctypes.byref(present)) == 0 and present.flags & DISABLED:
        memory = ctypes.create_string_buffer(STACK_BYTES)
        if sigaltstack(ctypes.byref(_Stack(ctypes.addressof(memory), 0, STACK_BYTES)), None) == 0:
            _memory.append(memory)

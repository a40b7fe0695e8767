"""Run a command as somebody who is not root: `python unroot.py namespace|nobody|probe COMMAND...`.

Postgres refuses to run as root. Two ways out, both without adding a user or opening anybody's folders:

namespace  a user namespace in which we look like uid 1000, while to the kernel we are still root. Folders below a 0700 home
           work and all files stay root's. Docker's default seccomp profile forbids it.
nobody     setuid to nobody, keeping one capability, CAP_DAC_OVERRIDE, so that a virtual environment and a data folder
           below a 0700 home of root can still be reached. The data folder must belong to nobody.

A script of its own, using the standard library only, because it must run alone in a fresh single-threaded process:
threads forbid unshare(CLONE_NEWUSER), and a preexec_fn may deadlock when the parent has threads (test runners have).
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
INNER_ID = 1000
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Caps(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def enter_namespace() -> None:
    """Become uid 1000 of a new user namespace that maps to the present user."""
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INNER_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{INNER_ID} {gid} 1")


def become_nobody() -> None:
    """Become nobody, keeping the right to pass closed folders where the kernel lets us."""
    nobody = pwd.getpwnam("nobody")
    libc = ctypes.CDLL(None, use_errno=True)
    has_prctl = hasattr(libc, "prctl")  # Linux; elsewhere only the plain setuid remains
    if has_prctl:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    if has_prctl:
        mask = 1 << CAP_DAC_OVERRIDE
        caps = (_Caps * 2)(_Caps(mask, mask, mask), _Caps(0, 0, 0))
        libc.capset(ctypes.byref(_Header(CAPABILITY_VERSION_3, 0)), caps)
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def main(arguments: list[str]) -> None:
    """Change the user, then become the command; `probe` only says whether a namespace can be had."""
    way, *command = arguments
    if way == "probe":
        enter_namespace()
        return
    {"namespace": enter_namespace, "nobody": become_nobody}[way]()
    os.execv(command[0], command)  # noqa: S606 - the one purpose of this script


if __name__ == "__main__":
    main(sys.argv[1:])

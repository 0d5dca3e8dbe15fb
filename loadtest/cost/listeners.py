"""Which processes serve a port."""

from __future__ import annotations

import ipaddress
import os

import psutil

from loadtest.cost.errors import CostError
from loadtest.cost.processes import tester_pids


def find_by_port(port: int, host: str | None = None) -> list[int]:
    """Roots of the process trees that listen on TCP `port`, at the IP address `host` (None: any) or
    at all addresses. Several when several servers share the port.

    A worker that listens leads to the master that started it. Only listeners of this network
    namespace are seen. Raises CostError when nobody listens, or the kernel does not say who."""
    try:
        found = [
            connection
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
            and _serves(connection.laddr.ip, host)
        ]
    except psutil.AccessDenied:
        raise CostError(_forbidden(port)) from None
    if not found:
        raise CostError(
            f"no process of this machine listens on TCP port {port}: its cost cannot be measured"
            " (in a network namespace, give --server-pid)"
        )
    pids = {connection.pid for connection in found if connection.pid is not None}
    if not pids:
        raise CostError(_forbidden(port))
    return sorted({_root_of(pid) for pid in pids})


def _forbidden(port: int) -> str:
    return (
        f"the kernel does not say who listens on TCP port {port}: run as the same user or root,"
        " or give --server-pid"
    )


def _serves(listening: str, host: str | None) -> bool:
    if host is None:
        return True
    address = ipaddress.ip_address(listening.partition("%")[0])
    wanted = ipaddress.ip_address(host.partition("%")[0])
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    # An unspecified IPv6 listener takes IPv4 as well, unless told otherwise.
    return address == wanted or (
        address.is_unspecified and (address.version == wanted.version or address.version == 6)
    )


def _root_of(pid: int) -> int:
    """Up from a worker, as long as the parent runs the same program in the same process group. A
    script that started the server runs another program; the tester is never part of it."""
    above = tester_pids()
    try:
        process = psutil.Process(pid)
        group, program = os.getpgid(pid), process.exe()
        for parent in process.parents():
            if parent.pid in above or os.getpgid(parent.pid) != group or parent.exe() != program:
                break
            process = parent
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
        return pid
    return process.pid

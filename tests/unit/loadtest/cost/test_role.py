from __future__ import annotations

import pytest

from loadtest.cost.role import role_of


@pytest.mark.parametrize(
    ("name", "arguments", "role"),
    [
        ("python3.11", ["python3", "-m", "server", "serve", "--port", "80"], "python -m server"),
        ("python3.11", ["/usr/bin/python3.11", "-X", "dev", "-u", "-m", "a.b"], "python -m a.b"),
        ("python3", ["python", "/opt/tools/serve.py", "-m", "no"], "python serve.py"),
        ("lianmai", ["/x/.venv/bin/python", "/x/.venv/bin/lianmai", "serve"], "python lianmai"),
        ("python3", ["python3"], "python3"),
        ("python3", ["python3", "-m"], "python -m"),
        ("python3", ["python3", "-c", "print()"], "python -c"),
        (
            "python3",
            ["python3", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()"],
            "python multiprocessing spawn",
        ),
        ("nginx", ["nginx: worker process"], "nginx: worker process"),
        ("nginx", ["nginx: master process nginx -c /secret/path"], "nginx: master process"),
        ("janus", ["janus", "--apisecret=hush"], "janus"),
        ("redis-server", ["redis-server 127.0.0.1:6379"], "redis-server"),
        ("kworker", [], "kworker"),
    ],
)
def test_programs_by_name_without_arguments(name: str, arguments: list[str], role: str) -> None:
    assert role_of(name, arguments) == role

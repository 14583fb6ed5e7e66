"""Whether anybody listens at an address."""

import socket

import pytest

from airr.llm.reach import trouble_with


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_somebody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert trouble_with(f"http://127.0.0.1:{server.getsockname()[1]}/v1") is None


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "refused" in (trouble_with(f"http://127.0.0.1:{port}/v1") or "")


def test_a_port_that_is_none_is_trouble():
    assert trouble_with("http://127.0.0.1:99999999/v1")


def test_behind_a_proxy_nothing_can_be_told(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert trouble_with("http://nobody.invalid/v1") is None

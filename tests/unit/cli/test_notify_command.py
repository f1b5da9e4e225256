"""``screening-node notify`` and ``deliveries cancel``, as an admin types them."""

from __future__ import annotations

import json
from pathlib import Path

import notification_peers as receivers
from admin.filled_store import fill
from cli.site_config import CONFIG
from cli.test_doctor import examined
from notification_peers import SECRET
from typer.testing import CliRunner

from screening_node.cli import app
from screening_node.settings import load_settings
from screening_node.store.session import Store

runner = CliRunner()


def configure(site: Path, **addresses: str) -> None:
    blocks = []
    for name, address in addresses.items():
        (site.parent / f"{name}.url").write_text(address)
        blocks.append(f'[[notifications.channels]]\nname = "{name}"\napprise_url_file = "{name}.url"\n')
    site.write_text(CONFIG.format(port=11112, destinations="\n".join(blocks)))


def test_a_test_message_reaches_every_channel(site: Path) -> None:
    with receivers.webhook() as hook, receivers.mail_server() as mail:
        configure(site, chat=hook.url, duty=mail.url)
        done = runner.invoke(app, ["notify", "test", "--json", "--config", str(site)])
    assert done.exit_code == 0, done.output
    assert [(row["channel"], row["taken"]) for row in json.loads(done.stdout)] == [("chat", True), ("duty", True)]
    assert hook.titles == ["SCREENING_NODE: test"]
    assert len(mail.received) == 1


def test_one_that_refuses_is_told_without_its_address(site: Path) -> None:
    with receivers.webhook() as good, receivers.webhook(403) as bad:
        configure(site, good=good.url, bad=bad.url)
        done = runner.invoke(app, ["notify", "test", "bad", "--config", str(site)])
    assert done.exit_code == 1
    assert "HTTP 403 (Forbidden)" in done.output
    assert SECRET not in done.output
    assert good.received == []


def test_names_that_are_none(site: Path) -> None:
    configure(site)
    none = runner.invoke(app, ["notify", "test", "--config", str(site)])
    assert none.exit_code != 0
    configure(site, duty="json://127.0.0.1:1/")
    other = runner.invoke(app, ["notify", "test", "dutty", "--config", str(site)])
    assert other.exit_code != 0
    assert "duty" in str(other.exception)


def test_the_doctor_reads_addresses_and_sends_nothing(site: Path) -> None:
    with receivers.webhook() as hook:
        configure(site, chat=hook.url, odd=f"nonsense://{SECRET}")
        code, found = examined(site)
    assert code == 1
    assert found["channel chat"]["state"] == "ok"
    assert "JSON by its address" in found["channel chat"]["message"]
    assert found["channel odd"]["state"] == "fail"
    assert SECRET not in str(found)
    assert hook.received == []


def test_a_delivery_is_cancelled_and_taken_up_again(site: Path) -> None:
    configure(site)
    store = Store(load_settings(site).store.url.get_secret_value())
    store.migrate()
    fill(store)
    store.close()

    def run(*words: str) -> str:
        done = runner.invoke(app, ["deliveries", *words, "--config", str(site), "--json"])
        assert done.exit_code == 0, done.output
        return done.stdout

    (parked,) = json.loads(run("list", "--state", "parked"))
    run("cancel", str(parked["id"]), "--actor", "mia")
    assert json.loads(run("list", "--state", "parked")) == []
    again = runner.invoke(app, ["deliveries", "cancel", str(parked["id"]), "--config", str(site)])
    assert again.exit_code != 0
    run("retry", str(parked["id"]))
    assert json.loads(run("list", "--state", "pending"))[0]["id"] == parked["id"]
    rows = json.loads(runner.invoke(app, ["audit", "list", "--json", "--config", str(site)]).stdout)
    assert ("mia", "delivery.cancel") in {(row["actor"], row["action"]) for row in rows}

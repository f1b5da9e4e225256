"""A PACS for demonstrations and tests: a storage SCP that writes what it gets into a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import cast

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from screening_node.delivery.dispatcher import quiet_libraries
from screening_node.delivery.outcomes import StoreStatus
from screening_node.delivery.sockets import ClosingServer, listen
from screening_node.errors import Misconfigured

_MAX_PDU = 131072


class FolderPacs:
    """Takes uncompressed objects of every storage class. The same UID again replaces the file.

    ``on_received`` hears the path of each file once it is complete. As a context manager it listens inside.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "FOLDER_PACS",
        host: str = "127.0.0.1",
        port: int = 0,
        on_received: Callable[[Path], None] | None = None,
    ) -> None:
        self._folder = folder
        self._ae_title = ae_title
        self._address = (host, port)
        self._on_received = on_received
        self._server: ClosingServer | None = None

    def start(self) -> int:
        """Listen; returns the port. Raises Misconfigured where the address is taken."""
        quiet_libraries()
        self._folder.mkdir(parents=True, exist_ok=True)
        entity = AE(ae_title=self._ae_title)
        entity.maximum_pdu_size = _MAX_PDU
        entity.supported_contexts = AllStoragePresentationContexts
        entity.add_supported_context(Verification)
        try:
            handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, self._on_c_store)]
            self._server = listen(entity, self._address, handlers, name="folder-pacs")
        except OSError as error:
            raise Misconfigured(
                f"The folder PACS cannot listen on {self._address[0]}:{self._address[1]}.", fix="Choose another port."
            ) from error
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Close the socket and abort what is still connected."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server = None

    def files(self) -> list[Path]:
        """What has been received, oldest first."""
        return sorted(self._folder.glob("*.dcm"), key=lambda path: path.stat().st_mtime_ns)

    def __enter__(self) -> FolderPacs:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before ``start``."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def _on_c_store(self, event: evt.Event) -> int:
        request = cast(C_STORE, event.request)
        target = self._folder / _file_name(str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID))
        temporary = target.with_suffix(f".{event.assoc.native_id}.part")
        try:
            temporary.write_bytes(event.encoded_dataset())
            os.replace(temporary, target)
        except OSError:
            temporary.unlink(missing_ok=True)
            return int(StoreStatus.OUT_OF_RESOURCES)
        if self._on_received is not None:
            self._on_received(target)
        return int(StoreStatus.SUCCESS)


def _file_name(sop_class_uid: str, sop_instance_uid: str) -> str:
    """Readable, and made of nothing that a sender chose: the class's keyword and a hash of the UID."""
    kind = UID(sop_class_uid).keyword.removesuffix("Storage") or "Object"
    return f"{kind}-{hashlib.sha256(sop_instance_uid.encode()).hexdigest()[:16]}.dcm"

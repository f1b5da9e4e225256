"""The only place that wires concrete parts together: from Settings to a running node, one module a process.

    running
      |- intake      listens, stores, acknowledges; where is in ``ports``
      |- worker      judges, on GPU or CPU
      |- delivery    sends reports, and with ``notifications`` tells people
      `- admin       serves the admin's page

``certificates`` (TLS), ``storage`` (database, archive, locks) and ``logs`` serve them all.
Heavy parts (torch, DICOM network) are imported where they are needed, so that a listing of alerts loads neither,
and the intake and delivery processes never load torch.
"""

from screening_node.assembly.admin import admin_page
from screening_node.assembly.certificates import check_certificates
from screening_node.assembly.delivery import destinations, object_sets, timeouts
from screening_node.assembly.notifications import channels, writer
from screening_node.assembly.ports import can_listen, port_is_free, ports_in_words, this_node, tls_destination
from screening_node.assembly.running import serve
from screening_node.assembly.sign_in import oidc_config
from screening_node.assembly.storage import MIB, lock_paths, not_running, open_store, opened
from screening_node.assembly.worker import Judging, card_of, chest_film_pathway, device, judging

__all__ = [
    "MIB",
    "Judging",
    "admin_page",
    "can_listen",
    "card_of",
    "channels",
    "check_certificates",
    "chest_film_pathway",
    "destinations",
    "device",
    "judging",
    "lock_paths",
    "not_running",
    "object_sets",
    "oidc_config",
    "open_store",
    "opened",
    "port_is_free",
    "ports_in_words",
    "serve",
    "this_node",
    "timeouts",
    "tls_destination",
    "writer",
]

"""Which workers served which clients, where the server's answers say so."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from conformance.runner.exchange import Exchange

WORKER = "x-chat-worker"  # see impl/chat/app/unsafe.py
MANY = 25  # requests after which a client that is served by chance has met 3 of 4 workers


@dataclass(frozen=True)
class Spread:
    """How many requests each worker served of each client, told apart by access token."""

    served: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def note(self, exchange: Exchange) -> None:
        """Count an exchange, where the answer names its worker."""
        worker = exchange.headers.get(WORKER)
        if worker is not None:
            client = exchange.request.headers.get("Authorization", "without a token")
            self.served[client][worker] += 1

    @property
    def busy(self) -> list[Counter[str]]:
        """Of each client that made many requests, how many each worker served."""
        return [counts for counts in self.served.values() if sum(counts.values()) >= MANY]

    def narrow(self, wanted: int) -> list[str]:
        """A line for each busy client that met too few workers, or for there being none."""
        if not self.busy:
            return [f"no client made {MANY} requests to workers that name themselves"]
        return [
            f"a client was served by {len(counts)} workers only: {dict(counts)}"
            for counts in self.busy
            if len(counts) < wanted
        ]

    def lines(self, wanted: int) -> list[str]:
        """The spread in words."""
        total = sum(self.served.values(), Counter[str]())
        wide = sum(len(counts) >= wanted for counts in self.served.values())
        return [
            f"requests by worker: {dict(total)}",
            f"{len(self.served)} clients, {wide} of them served by {wanted} workers or more;"
            f" {len(self.busy)} made {MANY} requests or more",
        ]

"""Who is who: the peers of a plane by id, by ICE ufrag and by source address.

The ufrag finds the peer of a STUN check, the address finds the peer of everything else, and only
an authenticated check binds an address. An address belongs to one peer at a time: whoever proves
itself from it has it, except that it is not taken from a living peer whose path it is. (A check
proves who made it, not whose source address it carries: with a forged one, a member could have a
victim's packets led astray.)
"""

from __future__ import annotations

from media.ice import MAX_VALID_ADDRESSES, Address
from media.peer import Peer
from media.publisher import Publisher
from media.seam import PeerId


class PeerRegistry:
    """Plain dictionaries; read `peers`, `publishers`, `connecting`, change them by the methods."""

    def __init__(self) -> None:
        self.peers: dict[PeerId, Peer] = {}
        self.publishers: dict[PeerId, Publisher] = {}
        self.connecting: dict[PeerId, Peer] = {}
        self.by_address: dict[Address, Peer] = {}
        self._by_ufrag: dict[str, Peer] = {}

    def add(self, peer: Peer) -> None:
        """A new peer, not connected yet."""
        assert peer.peer_id not in self.peers, "the plane refuses a peer id in use"
        self.peers[peer.peer_id] = peer
        self.connecting[peer.peer_id] = peer
        if isinstance(peer, Publisher):
            self.publishers[peer.peer_id] = peer
        self.renew_ufrags(peer)

    def renew_ufrags(self, peer: Peer) -> None:
        """Follow an ICE restart: the newest and the one it replaces count, earlier ones do not."""
        for ufrag in peer.ufrags:
            self._by_ufrag.pop(ufrag, None)
        peer.ufrags = list(peer.transport.local_ufrags)
        for ufrag in peer.ufrags:
            self._by_ufrag[ufrag] = peer

    def of_ufrag(self, ufrag: str | None) -> Peer | None:
        """Whom a check is for."""
        return self._by_ufrag.get(ufrag) if ufrag is not None else None

    def is_taken(self, address: Address, peer: Peer) -> bool:
        """Whether `address` is the path of another peer that is alive."""
        holder = self.by_address.get(address)
        return (
            holder is not None
            and holder is not peer
            and holder.is_connected
            and not holder.is_silent
            and holder.transport.address == address
        )

    def bind(self, peer: Peer, address: Address) -> None:
        """What comes from `address` is this peer's from now on: a check has just proven it."""
        if self.by_address.get(address) is peer:
            return
        self.by_address[address] = peer
        peer.addresses.append(address)
        if len(peer.addresses) > MAX_VALID_ADDRESSES:
            self._forget_addresses(peer)

    def _forget_addresses(self, peer: Peer) -> None:
        """Keep those that ICE still knows; it knows at most `MAX_VALID_ADDRESSES`."""
        transport = peer.transport
        kept = [each for each in peer.addresses if transport.is_valid_address(each)]
        for address in set(peer.addresses).difference(kept):
            self._release(peer, address)
        peer.addresses = list(dict.fromkeys(kept))

    def _release(self, peer: Peer, address: Address) -> None:
        if self.by_address.get(address) is peer:
            del self.by_address[address]

    def connected(self, peer: Peer) -> None:
        """Its handshake is done."""
        self.connecting.pop(peer.peer_id, None)

    def remove(self, peer: Peer) -> bool:
        """Forget a peer entirely; False when it was forgotten before."""
        if self.peers.pop(peer.peer_id, None) is None:
            return False
        self.publishers.pop(peer.peer_id, None)
        self.connecting.pop(peer.peer_id, None)
        for ufrag in peer.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in peer.addresses:
            self._release(peer, address)
        return True

    def sizes(self) -> dict[str, int]:
        """Entries of each table; all zero when nobody is there."""
        return {
            "peers": len(self.peers),
            "publishers": len(self.publishers),
            "connecting": len(self.connecting),
            "addresses": len(self.by_address),
            "ufrags": len(self._by_ufrag),
        }

"""The bytes of a KNXnet/IP interface: frames taken off a stream, bodies, descriptions and cEMI. Pure functions.

Sources: KNX Standard 3/8/2 (core), 3/8/4 (tunnelling), 3/6/3 (cEMI). Frame bodies are xknx's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xknx.cemi.cemi_frame import CEMIFrame, CEMILData
from xknx.cemi.const import CEMIMessageCode
from xknx.exceptions import UnsupportedCEMIMessage, XKNXException
from xknx.knxip import (
    SRP,
    DIBDeviceInformation,
    DIBServiceFamily,
    DIBSuppSVCFamilies,
    KNXIPFrame,
    KNXIPHeader,
    KNXMedium,
)
from xknx.knxip.body import KNXIPBody
from xknx.knxip.dib import DIB, DIBTunnelingInfo, TunnelingSlotStatus
from xknx.knxip.knxip_enum import KNXIPServiceType, SearchRequestParameterType
from xknx.telegram import GroupAddress, IndividualAddress, Telegram, TelegramDirection
from xknx.telegram.apci import APCI, GroupValueRead, GroupValueResponse, GroupValueWrite

from insula.errors import InputError

GroupPayload = GroupValueRead | GroupValueWrite | GroupValueResponse

L_DATA_REQ, L_DATA_IND, L_DATA_CON = 0x11, 0x29, 0x2E
CEMI_FIXED = 8
"""Octets of an L_Data frame after its additional information, at least."""

SERIAL = "00:fa:00:00:00:01"
MAC = "02:00:00:00:00:01"
FAMILIES = {DIBServiceFamily.CORE: 2, DIBServiceFamily.TUNNELING: 2}

SERVED = frozenset(
    service.value
    for service in (
        KNXIPServiceType.SEARCH_REQUEST,
        KNXIPServiceType.SEARCH_REQUEST_EXTENDED,
        KNXIPServiceType.DESCRIPTION_REQUEST,
        KNXIPServiceType.CONNECT_REQUEST,
        KNXIPServiceType.CONNECTIONSTATE_REQUEST,
        KNXIPServiceType.DISCONNECT_REQUEST,
        KNXIPServiceType.DISCONNECT_RESPONSE,
        KNXIPServiceType.TUNNELLING_REQUEST,
        KNXIPServiceType.TUNNELLING_ACK,
    )
)
"""No other service is parsed: an interface has no use for it, and xknx loops for ever on some malformed answers."""


def split(buffer: bytearray) -> Iterator[bytes]:
    """Take each whole frame off the front of ``buffer``; a part of one stays.

    InputError: the buffer does not start with a frame's header. It is then emptied, as nobody can tell where the next
    frame starts.
    """
    while len(buffer) >= KNXIPHeader.HEADERLENGTH:
        length = int.from_bytes(buffer[4:6], "big")
        if buffer[0] != KNXIPHeader.HEADERLENGTH or length < KNXIPHeader.HEADERLENGTH:
            buffer.clear()
            raise InputError("no KNXnet/IP header where a frame should start")
        if len(buffer) < length:
            return
        data = bytes(buffer[:length])
        del buffer[:length]
        yield data


def parse(data: bytes) -> KNXIPBody:
    """The body of one frame; InputError if it is malformed, or a service that no interface serves."""
    if int.from_bytes(data[2:4], "big") not in SERVED:
        raise InputError(f"service 0x{data[2:4].hex()} is not served")
    try:
        return KNXIPFrame.from_knx(data)[0].body
    except (XKNXException, ValueError, IndexError) as error:
        raise InputError(f"malformed frame: {error}") from error


def frame(body: KNXIPBody) -> bytes:
    return KNXIPFrame.init_from_body(body).to_knx()


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked to be put on the bus: the same telegram as confirmation, as indication, and decoded."""

    confirmation: bytes
    indication: bytes
    telegram: Telegram | None
    """None: well-formed, but of a service that xknx does not know."""


def request(cemi: bytes, source: IndividualAddress) -> Request | None:
    """An L_DATA.req with source 0.0.0 replaced by ``source``; None for any other cEMI message.

    InputError if it is malformed.
    """
    if not cemi or cemi[0] != L_DATA_REQ:
        return None
    start = 2 + (cemi[1] if len(cemi) > 1 else 0)
    if len(cemi) < start + CEMI_FIXED:
        raise InputError("cEMI frame too short")
    raw = bytearray(cemi)
    raw[start] &= 0xFE  # the confirm bit: 0 = no error
    if raw[start + 2 : start + 4] == b"\0\0":
        raw[start + 2 : start + 4] = source.to_knx()
    raw[0] = L_DATA_CON
    confirmation = bytes(raw)
    raw[0] = L_DATA_IND
    return Request(confirmation, bytes(raw), _telegram(bytes(raw)))


def indication(destination: str, payload: GroupPayload, source: str) -> bytes:
    """The cEMI frame of a group telegram that a device put on the bus."""
    telegram = Telegram(destination_address=GroupAddress(destination), payload=payload)
    data = CEMILData.init_from_telegram(telegram, src_addr=IndividualAddress(source))
    return CEMIFrame(code=CEMIMessageCode.L_DATA_IND, data=data).to_knx()


def _telegram(cemi: bytes) -> Telegram | None:
    try:
        data = CEMIFrame.from_knx(cemi).data
    except UnsupportedCEMIMessage:
        return None
    except (XKNXException, ValueError, IndexError) as error:
        raise InputError(f"malformed cEMI: {error}") from error
    return data.telegram(TelegramDirection.INCOMING) if isinstance(data, CEMILData) else None


def group_payload(payload: APCI | None) -> GroupPayload | None:
    return payload if isinstance(payload, GroupPayload) else None


def description(name: str, address: IndividualAddress) -> list[DIB]:
    """What every interface says of itself: device information and supported services."""
    device = DIBDeviceInformation()
    device.name = name
    device.knx_medium = KNXMedium.KNX_IP
    device.individual_address = address
    device.serial_number = SERIAL
    device.multicast_address = "0.0.0.0"
    device.mac_address = MAC
    services = DIBSuppSVCFamilies()
    services.families = [services.Family(family, version) for family, version in FAMILIES.items()]
    return [device, services]


def tunnels(slots: Mapping[IndividualAddress, bool]) -> DIB:
    """The interface's tunnels, each with whether it is free."""
    return DIBTunnelingInfo({address: TunnelingSlotStatus(True, True, free) for address, free in slots.items()})


def wanted(srps: list[SRP]) -> bool:
    """Whether an extended search looks for an interface like this one."""
    return all(_satisfied(srp) for srp in srps if srp.mandatory)


def _satisfied(srp: SRP) -> bool:
    match srp.type:
        case SearchRequestParameterType.SELECT_BY_MAC_ADDRESS:
            return srp.data == bytes.fromhex(MAC.replace(":", ""))
        case SearchRequestParameterType.SELECT_BY_SERVICE:
            return any(family.value == srp.data[0] and version >= srp.data[1] for family, version in FAMILIES.items())
        case SearchRequestParameterType.REQUEST_DIBS:
            return True
        case _:
            return False

"""What makes messages as long as a real switch's: headers that no billing client reads.

A recorded CHANNEL_HANGUP_COMPLETE has 7.7 KB. A benchmark over shorter ones would flatter
whoever parses them.
"""

from __future__ import annotations

_SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
    "t=0 0\r\nm=audio 6016 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
_CODEC = {"Name": "PCMU", "Rate": "8000", "Bit-Rate": "64000"}

_MEDIA = {
    "switch_r_sdp": _SDP,
    "switch_m_sdp": _SDP,
    "rtp_local_sdp_str": _SDP + "a=ptime:20\r\na=sendrecv\r\n",
    "ep_codec_string": "CORE_PCM_MODULE.PCMU@8000h@20i@64000b",
    "rtp_use_codec_string": "PCMA,PCMU",
    "rtp_last_audio_codec_string": "PCMU@8000h@20i@1c",
    "rtp_use_codec_name": "PCMU",
    "rtp_use_codec_rate": "8000",
    "rtp_use_codec_ptime": "20",
    "rtp_use_codec_channels": "1",
    "read_codec": "PCMU",
    "original_read_codec": "PCMU",
    "read_rate": "8000",
    "original_read_rate": "8000",
    "write_codec": "PCMU",
    "write_rate": "8000",
    "dtmf_type": "info",
    "video_media_flow": "inactive",
    "text_media_flow": "inactive",
    "audio_media_flow": "sendrecv",
    "remote_audio_media_flow": "sendrecv",
    "local_media_ip": "127.0.0.1",
    "local_media_port": "34536",
    "advertised_media_ip": "127.0.0.1",
    "remote_media_ip": "127.0.0.1",
    "remote_media_port": "6016",
    "rtp_use_timer_name": "soft",
    "rtp_use_ssrc": "837499431",
    "sip_full_via": "SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-24972-1-5",
    "sip_full_from": "sipp <sip:sipp@127.0.0.1:5070>;tag=24972SIPpTag001",
    "sip_full_to": "4001234567 <sip:4001234567@127.0.0.1:5080>;tag=ZvjyvaKFQXg5j",
    "sip_contact_uri": "sipp@127.0.0.1:5070",
    "sip_via_host": "127.0.0.1",
    "sip_subject": "Performance Test",
    "max_forwards": "70",
}

_STATISTICS = (
    "raw_bytes",
    "media_bytes",
    "packet_count",
    "media_packet_count",
    "skip_packet_count",
    "jitter_packet_count",
    "dtmf_packet_count",
    "cng_packet_count",
    "flush_packet_count",
    "largest_jb_size",
    "jitter_min_variance",
    "jitter_max_variance",
    "jitter_loss_rate",
    "jitter_burst_rate",
    "mean_interval",
    "flaw_total",
    "quality_percentage",
)

LIVE = {
    f"Channel-{way}-Codec-{name}": text
    for way in ("Read", "Write")
    for name, text in _CODEC.items()
} | {f"variable_{name}": text for name, text in _MEDIA.items()}
"""For every channel event."""

ENDED = LIVE | {
    f"variable_rtp_audio_{way}_{name}": "0" for way in ("in", "out") for name in _STATISTICS
}
"""For an ended channel: its RTP statistics too."""

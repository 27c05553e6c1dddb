"""A voice app on aiohttp, which shares nothing with the library: it says back what it hears.

The first part of each path names a fault that the app commits on purpose; "clean" commits none.

    python app.py PORT

It believes that it is https://voice.example.com and checks signatures on its own.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import struct
import sys

from aiohttp import WSMsgType, web

PUBLIC = "voice.example.com"
TOKEN = os.environ["TWILIO_AUTH_TOKEN"]
SECRET = os.environ["VONAGE_SIGNATURE_SECRET"]
KEY = os.environ["EXOTEL_WEBHOOK_SECRET"]
PLIVO_TOKEN = os.environ["PLIVO_AUTH_TOKEN"]
SLOW = 0.6
routes = web.RouteTableDef()


# Twilio


def twilio_signature(url, form):
    text = url + "".join(name + value for name, value in sorted(form.items()))
    digest = hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def twiml(inside, content_type="text/xml"):
    return web.Response(text=f"<Response>{inside}</Response>", content_type=content_type)


@routes.post("/{fault}/twilio/call")
async def twilio_call(request):
    fault = request.match_info["fault"]
    form = dict(await request.post())
    expected = twilio_signature(f"https://{PUBLIC}{request.path_qs}", form)
    if not hmac.compare_digest(expected, request.headers.get("X-Twilio-Signature", "")):
        return web.Response(status=403)
    url = f"wss://{PUBLIC}/{fault}/twilio/media"
    connect = f'<Connect><Stream url="{url}"/></Connect>'
    if fault == "slow":
        await asyncio.sleep(SLOW)
    answers = {
        "bad-xml": lambda: web.Response(text="<Response><Connect>", content_type="text/xml"),
        "wrong-root": lambda: web.Response(text="<Twiml/>", content_type="text/xml"),
        "wrong-type": lambda: twiml(connect, "application/json"),
        "empty": lambda: web.Response(text="", content_type="text/xml"),
        "error": lambda: web.Response(status=500),
        "record": lambda: twiml("<Record/>" + connect),
        "unknown-verb": lambda: twiml("<Stream/>" + connect),
        "plain-socket": lambda: twiml(connect.replace("wss:", "ws:")),
        "query": lambda: twiml(connect.replace("media", "media?a=1")),
    }
    return answers.get(fault, lambda: twiml(connect))()


@routes.post("/{fault}/twilio/menu")
async def twilio_menu(request):
    return twiml(f'<Gather numDigits="1" action="/{request.match_info["fault"]}/twilio/keys"><Say>Press</Say></Gather>')


@routes.post("/{fault}/twilio/keys")
async def twilio_keys(request):
    form = await request.post()
    return twiml(f"<Say>You pressed {form['Digits']}</Say><Hangup/>")


@routes.get("/{fault}/twilio/media")
async def twilio_media(request):
    fault = request.match_info["fault"]
    if fault == "no-socket":
        return web.Response(status=404)
    socket = web.WebSocketResponse(autoclose=fault != "stays-open")
    await socket.prepare(request)
    if fault == "early":
        await socket.send_json({"event": "media", "streamSid": "MZ", "media": {"payload": ""}})
    sid, talker, cleared = None, None, False
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            break
        event = json.loads(message.data)
        if event["event"] == "start":
            sid = event["streamSid"]
            if fault == "deaf":
                talker = asyncio.create_task(twilio_talk(socket, sid))
        if event["event"] != "media" or sid is None:
            continue
        payload = base64.b64decode(event["media"]["payload"])
        if fault == "deaf":
            # It clears when the caller speaks over it, and goes on talking.
            if not cleared and talker.done() is False and event["media"]["timestamp"] > "1200":
                if len(event["media"]["timestamp"]) > 3 and any((b | 0x80) < 0xE0 for b in payload):
                    cleared = True
                    await socket.send_json({"event": "clear", "streamSid": sid})
            continue
        await twilio_echo(socket, sid, payload, fault)
        if fault == "odd-close":
            await socket.close(code=4000)
        if fault == "hangs-up" and int(event["media"]["timestamp"]) > 1000:
            await socket.close()
        if fault == "vanishes":
            request.transport.abort()
            return socket
    if talker:
        talker.cancel()
    if fault == "stays-open":
        await asyncio.sleep(4)
    return socket


async def twilio_echo(socket, sid, payload, fault):
    media = {"event": "media", "streamSid": sid, "media": {"payload": base64.b64encode(payload).decode()}}
    if fault == "binary":
        await socket.send_bytes(payload)
    elif fault == "junk":
        await socket.send_str("no JSON")
    elif fault == "wrong-sid":
        await socket.send_json({**media, "streamSid": "MZ00000000000000000000000000000000"})
    elif fault == "odd-frame":
        await socket.send_json({**media, "media": {"payload": base64.b64encode(payload[:99]).decode()}})
    elif fault == "wav":
        header = base64.b64encode(b"RIFF\x00\x00\x00\x00WAVEfmt " + payload).decode()
        await socket.send_json({**media, "media": {"payload": header}})
    else:
        await socket.send_json(media)


async def twilio_talk(socket, sid):
    """A loud square wave in real time."""
    frame = base64.b64encode(bytes([0x90] * 10 + [0x10] * 10) * 8).decode()
    while True:
        await socket.send_json({"event": "media", "streamSid": sid, "media": {"payload": frame}})
        await asyncio.sleep(0.02)


@routes.post("/{fault}/twilio/status")
async def twilio_status(request):
    return web.Response(status=500 if request.match_info["fault"] == "bad-status" else 204)


# Vonage


def is_vonage(request, body):
    try:
        head, claims, signature = request.headers["Authorization"].split(" ")[1].split(".")
    except (KeyError, IndexError, ValueError):
        return False
    digest = hmac.new(SECRET.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    payload = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    is_body = payload["payload_hash"] == hashlib.sha256(body).hexdigest()
    return hmac.compare_digest(expected, signature) and is_body


@routes.post("/{fault}/vonage/call")
async def vonage_call(request):
    fault = request.match_info["fault"]
    if not is_vonage(request, await request.read()):
        return web.Response(status=403)
    endpoint = {
        "type": "websocket",
        "uri": f"wss://{PUBLIC}/{fault}/vonage/media",
        "content-type": "audio/l16;rate=16000",
    }
    if fault == "odd-rate":
        endpoint["content-type"] = "audio/l16;rate=11025"
    ncco = [{"action": "connect", "endpoint": [endpoint]}]
    if fault == "slow":
        await asyncio.sleep(SLOW)
    if fault == "bad-ncco":
        ncco = [{"action": "sing"}]
    if fault == "not-last":
        ncco.append({"action": "talk", "text": "Bye"})
    if fault == "error":
        return web.Response(status=500)
    kind = "text/plain" if fault == "wrong-type" else "application/json"
    return web.Response(text=json.dumps(ncco), content_type=kind)


@routes.get("/{fault}/vonage/media")
async def vonage_media(request):
    fault = request.match_info["fault"]
    if fault == "no-socket":
        return web.Response(status=404)
    socket = web.WebSocketResponse(autoclose=fault != "stays-open")
    await socket.prepare(request)
    async for message in socket:
        if message.type != WSMsgType.BINARY:
            continue
        if fault == "odd-frame":
            await socket.send_bytes(message.data[:100])
        elif fault == "junk":
            await socket.send_str("no JSON")
        elif fault == "unknown-command":
            await socket.send_json({"action": "dance"})
        elif fault == "wav":
            await socket.send_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt " + message.data[16:])
        else:
            await socket.send_bytes(message.data)
        if fault == "odd-close":
            await socket.close(code=4000)
        if fault == "vanishes":
            request.transport.abort()
            return socket
    if fault == "stays-open":
        await asyncio.sleep(4)
    return socket


@routes.post("/{fault}/vonage/events")
async def vonage_events(request):
    return web.Response(status=500 if request.match_info["fault"] == "bad-status" else 204)


# Exotel


@routes.get("/{fault}/exotel/call")
async def exotel_call(request):
    fault = request.match_info["fault"]
    if request.query.get("key") != KEY:
        return web.Response(status=403)
    answer = {"url": f"wss://{PUBLIC}/{fault}/exotel/media"}
    if fault == "plain-socket":
        answer["url"] = answer["url"].replace("wss:", "ws:")
    if fault == "no-url":
        answer = {"uri": answer["url"]}
    if fault == "not-json":
        return web.Response(text="{", content_type="application/json")
    if fault == "wrong-type":
        return web.Response(text=json.dumps(answer), content_type="text/html")
    if fault == "redirects":
        raise web.HTTPFound("/elsewhere")
    if fault == "error":
        return web.Response(status=500)
    if fault == "slow":
        await asyncio.sleep(SLOW)
    return web.json_response(answer)


@routes.get("/{fault}/exotel/media")
async def exotel_media(request):
    fault = request.match_info["fault"]
    if fault == "no-socket":
        return web.Response(status=404)
    socket = web.WebSocketResponse(autoclose=fault != "stays-open")
    await socket.prepare(request)
    sid, waiting = None, b""
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            break
        event = json.loads(message.data)
        if event["event"] == "start":
            sid = event["stream_sid"]
        if event["event"] != "media":
            continue
        waiting += base64.b64decode(event["media"]["payload"])
        if len(waiting) < 3200:
            continue
        payload, waiting = waiting[:3200], waiting[3200:]
        await exotel_echo(socket, sid, payload, fault)
        if fault == "odd-close":
            await socket.close(code=4000)
        if fault == "vanishes":
            request.transport.abort()
            return socket
    if fault == "stays-open":
        await asyncio.sleep(4)
    return socket


async def exotel_echo(socket, sid, payload, fault):
    def media(payload, sid=sid):
        encoded = base64.b64encode(payload).decode()
        return {"event": "media", "stream_sid": sid, "media": {"payload": encoded}}

    if fault == "binary":
        await socket.send_bytes(payload)
    elif fault == "junk":
        await socket.send_str("no JSON")
    elif fault == "unknown-event":
        await socket.send_json({"event": "dance", "stream_sid": sid})
    elif fault == "wrong-sid":
        await socket.send_json(media(payload, "somebody-else"))
    elif fault == "half-sample":
        await socket.send_json(media(payload[:-1]))
    elif fault == "odd-frame":
        await socket.send_json(media(payload[:-2]))
    elif fault == "bad-base64":
        await socket.send_json({**media(b""), "media": {"payload": "***"}})
    elif fault == "no-payload":
        await socket.send_json({**media(b""), "media": {}})
    elif fault == "too-long":
        await socket.send_json(media(bytes(100_480)))
    elif fault == "burst":
        tone = struct.pack("<160h", *([9000] * 80 + [-9000] * 80)) * 10
        for _ in range(40):
            await socket.send_json(media(tone))
    else:
        await socket.send_json(media(payload))


@routes.post("/{fault}/exotel/status")
async def exotel_status(request):
    return web.Response(status=500 if request.match_info["fault"] == "bad-status" else 200)


# Plivo


def is_plivo(request, form, scheme="https"):
    text = f"{scheme}://{PUBLIC}{request.path}"
    if request.query or form:
        text += "?"
    text += "&".join(f"{name}={value}" for name, value in sorted(request.query.items()))
    if request.query and form:
        text += "."
    text += "".join(name + value for name, value in sorted(form.items()))
    text += "." + request.headers.get("X-Plivo-Signature-V3-Nonce", "")
    digest = hmac.new(PLIVO_TOKEN.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() in request.headers.get("X-Plivo-Signature-V3", "").split(",")


@routes.post("/{fault}/plivo/call")
async def plivo_call(request):
    fault = request.match_info["fault"]
    if not is_plivo(request, dict(await request.post())):
        return web.Response(status=403)
    attributes = 'bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'
    stream = f"<Stream {attributes}>wss://{PUBLIC}/{fault}/plivo/media</Stream>"
    if fault == "slow":
        await asyncio.sleep(SLOW)
    answers = {
        "bad-xml": lambda: web.Response(text="<Response><Stream>", content_type="application/xml"),
        "wrong-root": lambda: web.Response(text="<Answer/>", content_type="application/xml"),
        "wrong-type": lambda: twiml(stream, "application/json"),
        "empty": lambda: web.Response(text="", content_type="application/xml"),
        "error": lambda: web.Response(status=500),
        "reject": lambda: twiml("<Reject/>"),
        "unknown-verb": lambda: twiml("<Say>Hello</Say>" + stream),
        "one-way": lambda: twiml(stream.replace('bidirectional="true" ', "")),
        "short": lambda: twiml(stream.replace('keepCallAlive="true" ', "")),
        "plain-socket": lambda: twiml(stream.replace("wss:", "ws:")),
    }
    return answers.get(fault, lambda: twiml(stream))()


@routes.get("/{fault}/plivo/media")
async def plivo_media(request):
    fault = request.match_info["fault"]
    if fault == "no-socket" or not is_plivo(request, {}, "http"):
        return web.Response(status=404)
    socket = web.WebSocketResponse(autoclose=fault != "stays-open")
    await socket.prepare(request)
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            break
        event = json.loads(message.data)
        if event["event"] != "media":
            continue
        media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": event["media"]["payload"]}
        if fault == "binary":
            await socket.send_bytes(base64.b64decode(media["payload"]))
        elif fault == "junk":
            await socket.send_str("no JSON")
        elif fault == "wrong-rate":
            await socket.send_json({"event": "playAudio", "media": {**media, "sampleRate": 16000}})
        elif fault == "wrong-stream":
            await socket.send_json({"event": "clearAudio", "streamId": "another"})
        else:
            await socket.send_json({"event": "playAudio", "media": media})
        if fault == "vanishes":
            request.transport.abort()
            return socket
    if fault == "stays-open":
        await asyncio.sleep(4)
    return socket


@routes.post("/{fault}/plivo/status")
async def plivo_status(request):
    return web.Response(status=500 if request.match_info["fault"] == "bad-status" else 200)


async def main():
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]))
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())

"""Publishes and receives one MQTT message through an HTTP proxy.

    mqtt.py tcp|websockets CA|- PROXY-PORT HOST PORT [ALPN]
"""

import ssl
import sys
import threading

import paho.mqtt.client as mqtt
import socks

transport, ca, proxy, host, port, *alpn = sys.argv[1:]
received = threading.Event()


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("starproxy/test", qos=1)


def on_subscribe(client, userdata, mid, reasons, properties):
    client.publish("starproxy/test", "hello from a device", qos=1)


def on_message(client, userdata, message):
    print("received", message.payload.decode(), flush=True)
    received.set()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, transport=transport)
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.proxy_set(proxy_type=socks.HTTP, proxy_addr="127.0.0.1", proxy_port=int(proxy))
if ca != "-":
    context = ssl.create_default_context(cafile=ca)
    if alpn:
        context.set_alpn_protocols(alpn)
    client.tls_set_context(context)
client.connect(host, int(port), keepalive=30)
client.loop_start()
ok = received.wait(60)
client.disconnect()
client.loop_stop()
sys.exit(0 if ok else "no message came")

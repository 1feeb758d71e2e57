"""How the bodies are written which are not JSON: as the bytes that they are."""

import schemathesis


@schemathesis.serializer("application/wasm", "application/x-tar", "application/toml")
def raw(context, value):
    return value if isinstance(value, bytes) else str(value).encode()

#!/usr/bin/env bash
# obstore 0.12.1 and gcp-storage-emulator 2026.7.19: a gs:// bucket that Google's own JSON interface has is none for obstore.
#
# One expects of an emulator of Google's storage that a client of gs:// can list, read and write there. obstore, as the Rust
# crate below it, uses the older XML interface, in the form of S3's: its listing is GET /bucket?list-type=2, which the emulator
# answers with 501; a file that is read lacks the header Last-Modified there, and one that is written the ETag. A server that
# speaks S3 serves (moto's, with Google's base URL pointed at it). Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet obstore==0.12.1 gcp-storage-emulator==2026.7.19
cat >"$folder/bucket.py" <<'PYTHON'
import json
import urllib.request

import obstore.store
from gcp_storage_emulator.server import create_server

server = create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
server.start()
base = f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
upload = f"{base}/upload/storage/v1/b/bucket/o?uploadType=media&name=photos/1.jpg"
request = urllib.request.Request(upload, data=b"bytes", headers={"content-type": "image/jpeg"}, method="POST")
urllib.request.urlopen(request)
listed = json.load(urllib.request.urlopen(f"{base}/storage/v1/b/bucket/o"))
print("JSON interface:", [item["name"] for item in listed["items"]])
key = {"gcs_base_url": base, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
store = obstore.store.GCSStore(
    "bucket",
    service_account_key=json.dumps(key),
    client_options={"allow_http": True},
    retry_config={"max_retries": 0},
)
for name, call, reason in (
    ("list", lambda: store.list().collect(), "501 Not Implemented"),
    ("get", lambda: store.get("photos/1.jpg").bytes(), "Last-Modified Header missing"),
    ("put", lambda: store.put("photos/2.jpg", b"more"), "ETag Header missing"),
):
    try:
        print("obstore,", name, call())
    except Exception as error:
        print(f"obstore, {name}:", type(error).__name__, reason if reason in str(error) else error)
server.stop()
PYTHON
"$folder/venv/bin/python" "$folder/bucket.py" 2>/dev/null | tee "$folder/found"
diff "$folder/found" - <<'EXPECTED'
JSON interface: ['photos/1.jpg']
obstore, list: GenericError 501 Not Implemented
obstore, get: GenericError Last-Modified Header missing
obstore, put: GenericError ETag Header missing
EXPECTED

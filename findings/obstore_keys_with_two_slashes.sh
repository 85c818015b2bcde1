#!/usr/bin/env bash
# obstore 0.12.1: one key with two slashes in a row makes the listing of a whole bucket fail, for all other keys, too.
#
# S3 allows such keys ("photos//2.jpg", which a prefix that ends in a slash and a join by hand make), and boto3 lists and
# reads them. obstore takes keys for paths without empty parts: listing raises InvalidPathError at once, a prefix that leaves
# the key out lists well, and there is no way to skip it or to read it. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet obstore==0.12.1 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5 boto3==1.44.8
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$folder/server.log" 2>&1 &
server=$!
export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=us-east-1
cat >"$folder/list.py" <<'PYTHON'
import sys
import time
import urllib.request

import boto3
import obstore.store

endpoint = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(100):
    try:
        urllib.request.urlopen(endpoint)
        break
    except OSError:
        time.sleep(0.1)
s3 = boto3.client("s3", endpoint_url=endpoint)
s3.create_bucket(Bucket="bucket")
for key in ("good/1.jpg", "photos//2.jpg", "photos/3.jpg"):
    s3.put_object(Bucket="bucket", Key=key, Body=b"bytes")
print("boto3:", [found["Key"] for found in s3.list_objects_v2(Bucket="bucket")["Contents"]])
store = obstore.store.from_url("s3://bucket", endpoint=endpoint, client_options={"allow_http": True})
print("obstore, good/:", [found["path"] for found in store.list("good/").collect()])
try:
    print("obstore:", [found["path"] for found in store.list().collect()])
except Exception as error:
    print("obstore:", type(error).__name__, "empty path segment" in str(error).lower())
PYTHON
"$folder/venv/bin/python" "$folder/list.py" "$port" | tee "$folder/found"
diff "$folder/found" - <<'EXPECTED'
boto3: ['good/1.jpg', 'photos//2.jpg', 'photos/3.jpg']
obstore, good/: ['good/1.jpg']
obstore: InvalidPathError True
EXPECTED

"""A bucket on this machine with the files of a folder, to try out: python examples/local_bucket.py photos/

It serves them on loopback until Ctrl-C, in memory, and says which command completes them. Needs 'moto[s3]', flask and
flask-cors.
"""

import sys
import threading
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer


def main(photos: Path) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    client = boto3.client(
        "s3", endpoint_url=address["AWS_ENDPOINT_URL"], aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="bucket")
    for file in (file for file in sorted(photos.rglob("*")) if file.is_file()):
        client.put_object(Bucket="bucket", Key=f"photos/{file.relative_to(photos).as_posix()}", Body=file.read_bytes())
    variables = " ".join(f"{name}={value}" for name, value in address.items())
    print(f"{variables} engine-infer s3://bucket/photos --out s3://bucket/done --cluster local", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

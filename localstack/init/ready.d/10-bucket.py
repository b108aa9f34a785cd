"""LocalStack's init hook: makes the bucket once the service is up.

LocalStack runs every file of ``/etc/localstack/init/ready.d`` by ``exec``, in the docker image and without
docker alike (https://docs.localstack.cloud/references/init-hooks/), so there is no ``__main__`` here.

``UP42_STATE_BUCKET`` names the bucket; ``up42-state`` by default.
"""

import os

import boto3

port = os.environ.get("GATEWAY_LISTEN", ":4566").split(",")[0].rpartition(":")[2]
bucket = os.environ.get("UP42_STATE_BUCKET", "up42-state")

client = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",  # what LocalStack takes; no secret
)
client.create_bucket(Bucket=bucket)  # in us-east-1, asking again for one's own bucket is no error

"""A collector of the tests: takes OTLP over HTTP, decodes it with the classes of OpenTelemetry, and prints what it understood."""

import base64
import http.server
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def binary_ids(value):
    """OTLP writes ids in hexadecimal; protobuf's own JSON form would be base64."""
    if isinstance(value, dict):
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64encode(bytes.fromhex(inner)).decode() if key in ids else binary_ids(inner)
            for key, inner in value.items()
        }
    return [binary_ids(inner) for inner in value] if isinstance(value, list) else value


def attributes(of):
    return {attribute.key: attribute.value.string_value for attribute in of.attributes}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        # Fields that are not in the definition are an error.
        request = json_format.ParseDict(binary_ids(json.loads(body)), ExportTraceServiceRequest())
        spans = [
            {
                "name": span.name,
                "trace": span.trace_id.hex(),
                "id": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "start": span.start_time_unix_nano,
                "end": span.end_time_unix_nano,
                "kind": span.kind,
                "status": span.status.code,
                "attributes": attributes(span),
            }
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        resources = [attributes(resource.resource) for resource in request.resource_spans]
        told = {"path": self.path, "key": self.headers.get("x-key"), "resources": resources, "spans": spans}
        print(json.dumps(told), flush=True)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()

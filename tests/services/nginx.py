"""An nginx of the tests' own: one process group, no privileges asked for, ports given."""

import os
from pathlib import Path

import httpx

from services.process import ServiceProcess

_FRAME = """
daemon off;
worker_processes 1;
pid "{folder}/pid";
error_log "{folder}/error.log" warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/proxy";
    fastcgi_temp_path "{folder}/fastcgi";
    uwsgi_temp_path "{folder}/uwsgi";
    scgi_temp_path "{folder}/scgi";
{body}
}}
"""


class Nginx(ServiceProcess):
    """``body``: what stands within ``http {}``; it listens on ``port``, and ``/nginx-is-here`` there must answer."""

    def __init__(self, port: int, body: str) -> None:
        super().__init__()
        self.port = port
        file = self.folder / "nginx.conf"
        file.write_text(_FRAME.format(folder=self.folder, body=body))
        os.chmod(self.folder, 0o755)  # its worker gives up root
        self.command = ["nginx", "-p", str(self.folder), "-c", str(file), "-e", str(self.folder / "error.log")]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def errors(self) -> Path:
        return self.folder / "error.log"

    def ready(self) -> bool:
        try:
            return httpx.get(self.url + "/nginx-is-here").status_code > 0
        except httpx.TransportError:
            return False

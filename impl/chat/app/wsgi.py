"""The WSGI application, for gunicorn and any other WSGI server."""

from chat.app import serving

app = serving.application().wsgi

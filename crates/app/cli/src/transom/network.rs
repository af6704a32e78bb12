//! The service's network process: logs, settings, and the server with its plug-ins.

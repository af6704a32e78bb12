//! What the service offers: the cmd shell.

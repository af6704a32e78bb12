"""One command by pywinrm, as a script would do it: URL, user and password file as arguments."""

import sys

import winrm

url, user, password_file = sys.argv[1:]
with open(password_file, encoding="utf-8") as file:
    password = file.read().rstrip("\n")
session = winrm.Session(url, auth=(user, password), transport="ntlm", message_encryption="always")
answer = session.run_cmd("echo hi")
sys.stdout.buffer.write(answer.std_out)
sys.exit(answer.status_code)

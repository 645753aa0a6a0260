"""The version of Switchhook that functions report."""

VERSION = "0.1.0"

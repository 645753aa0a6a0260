"""Mailboxes and names that are no person's: machines', roles' and companies'."""

from __future__ import annotations

import re
from typing import Literal

from functions.classify.classifiers.lexicon import plain

Kind = Literal["machine", "company", "person"]

# fmt: off
_MACHINE_MAILBOXES = frozenset({
    "noreply", "donotreply", "nepasrepondre", "noresponder", "nonrispondere", "naoresponda",
    "naoresponder", "nichtantworten", "keineantwort", "nietbeantwoorden", "mailer", "daemon",
    "mailerdaemon", "postmaster", "bounce", "bounces", "bot", "robot", "notification",
    "notifications", "notify", "alert", "alerts", "automated", "automation", "system", "cron",
    "root", "devnull", "monitor", "monitoring", "nagios", "jenkins", "ci", "api", "integration",
    "import", "export", "sync", "backup", "server", "reports",
})
_MACHINE_PARTS = frozenset({"alerts", "bounces", "mailer", "notification", "notifications"})
_ROLE_MAILBOXES = frozenset({
    "abuse", "accounting", "accounts", "admin", "administration", "ap", "billing", "careers",
    "contact", "customerservice", "enquiries", "feedback", "finance", "hello", "help", "helpdesk",
    "hi", "hr", "info", "invoice", "invoices", "invoicing", "it", "jobs", "legal", "mail",
    "marketing", "newsletter", "office", "orders", "owner", "payables", "payments", "press",
    "privacy", "procurement", "purchasing", "receivables", "sales", "security", "service", "shop",
    "store", "support", "team", "treasury", "webmaster",
    # German, French, Spanish, Italian, Portuguese, Dutch, Nordic
    "bestellung", "bestellungen", "buchhaltung", "buero", "einkauf", "kontakt", "kundenservice",
    "rechnung", "rechnungen", "verkauf", "vertrieb", "verwaltung", "achats", "bonjour",
    "commandes", "compta", "comptabilite", "contacter", "direction", "facturation", "secretariat",
    "ventes", "administracion", "atencion", "clientes", "compras", "contabilidad", "contacto",
    "facturacion", "facturas", "hola", "pedidos", "soporte", "ventas", "acquisti",
    "amministrazione", "assistenza", "clienti", "contabilita", "fatture", "ordini", "vendite",
    "atendimento", "contabilidade", "contato", "faturas", "financeiro", "suporte", "vendas",
    "administratie", "boekhouding", "factuur", "facturen", "inkoop", "klantenservice", "verkoop",
    "ekonomi", "faktura", "laskut", "regnskab", "regnskap", "salg",
})
_COMPANY_WORDS = frozenset({
    "ab", "ag", "aps", "as", "asa", "bv", "bvba", "co", "company", "corp", "corporation", "eirl",
    "eurl", "foundation", "gbr", "gmbh", "group", "holding", "holdings", "inc", "kft", "kg", "kk",
    "lda", "limited", "llc", "llp", "ltd", "ltda", "nv", "ohg", "oy", "oyj", "plc", "pty", "pvt",
    "sa", "sarl", "sas", "sasu", "sl", "slu", "spa", "sprl", "srl", "sro", "ug", "zoo",
})
_MACHINE_WORDS = frozenset({
    "alerts", "automation", "bot", "cron", "daemon", "importer", "integration", "monitor",
    "monitoring", "noreply", "notification", "notifications", "robot", "runner", "scheduler",
    "service", "system", "webhook", "integracao", "integracion", "integrazione", "schnittstelle",
    "import",
})
# fmt: on
_PUNCTUATION = re.compile(r"[._\-+]+")
_WORD = re.compile(r"[^\W_]+")


def kind_of_mailbox(mailbox: str) -> Literal["machine", "role", "own"]:
    """Of what stands before the @, in lower case."""
    parts = [part for part in _PUNCTUATION.split(plain(mailbox).partition("+")[0]) if part]
    joined = "".join(parts)
    if joined in _MACHINE_MAILBOXES or not _MACHINE_PARTS.isdisjoint(parts):
        return "machine"
    if "noreply" in joined or "donotreply" in joined:
        return "machine"
    return "role" if joined in _ROLE_MAILBOXES or set(parts[:1]) & _ROLE_MAILBOXES else "own"


def kind_of_name(name: str) -> Kind:
    """What a whole name or login names."""
    if name.lower().endswith(("[bot]", "-bot", "_bot")):
        return "machine"
    words = [word.lower() for word in _WORD.findall(plain(name[:200]))]
    if not _MACHINE_WORDS.isdisjoint(words):
        return "machine"
    return "company" if len(words) > 1 and words[-1] in _COMPANY_WORDS else "person"

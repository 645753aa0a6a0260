-- Written by `make migration` from sql/. Never edited once it has shipped.

-- The entity types that ship with Switchhook. The classifier compares an event with the description's words; the field map
-- (JMESPath, see shared/field_maps.py) takes the columns out of any vendor's payload. Running this again brings both up to date.
--
-- The person's field map finds the person behind an event of any type: event.entity_table tells them apart.

insert into public.entity_types (id, user_id, name, description, target_table, match_columns, field_map)
select r.id, null, r.name, r.description, r.target_table,
  array(select jsonb_array_elements_text(r.match_columns)), r.field_map
from jsonb_to_recordset($entity_types$
[
  {
    "id": "5e1f0000-0000-4000-8000-000000000001",
    "name": "person",
    "description": "A person: a contact, customer, user, lead, member, subscriber, employee, candidate, attendee or profile, with first name, last name, email address, phone number, company, job title, avatar, locale.",
    "target_table": "people",
    "match_columns": ["email"],
    "field_map": {
      "email": "data.email || data.customer_email || data.contact_email || data.customer.email || data.user.email || data.contact.email || data.customer_details.email || data.requester.email || data.sender.email || data.from.email || data.buyer.email || data.member.email || data.author.email || data.billing_details.email || data.ticket.customer_email || data.account.email || data.billing_email || data.receipt_email || data.pusher.email",
      "phone": "data.phone || data.phone_number || data.mobile || data.customer_phone || data.customer.phone || data.customer_details.phone || data.user.phone || data.contact.phone || data.buyer.phone || data.requester.phone || data.billing_details.phone || data.billing_address.phone || data.shipping_address.phone || data.default_address.phone",
      "name": "data.customer_name || data.contact_name || data.ticket.customer_name || data.customer.name || join_name(data.customer.first_name, data.customer.last_name) || data.customer_details.name || data.user.name || join_name(data.user.first_name, data.user.last_name) || data.contact.name || data.requester.name || data.buyer.name || data.member.name || data.from.name || data.sender.name || data.billing_details.name || data.billing_address.name || data.full_name || data.display_name || join_name(data.first_name, data.last_name) || ((event.entity_table == 'person' || data.email || data.handle) && !(data.order_number) && data.name) || data.issue.user.login || data.pull_request.user.login || data.sender.login",
      "first_name": "data.first_name || data.firstName || data.given_name || data.customer.first_name || data.user.first_name || data.contact.first_name || data.billing_address.first_name",
      "last_name": "data.last_name || data.lastName || data.family_name || data.customer.last_name || data.user.last_name || data.contact.last_name || data.billing_address.last_name",
      "company": "text(data.company) || data.company.name || data.company_name || data.organization.name || data.customer.company || data.user.company || data.contact.company || data.default_address.company || data.billing_address.company || data.account.name",
      "title": "data.job_title || data.jobTitle || data.customer.job_title || data.user.job_title || data.contact.job_title || (event.entity_table == 'person' && data.title) || `null`",
      "external_id": "(event.entity_table == 'person' && (event.external_id || text(data.id))) || text(data.customer) || text(data.customer.id) || text(data.customer_id) || text(data.user.id) || text(data.contact.id) || text(data.contact_id) || text(data.contactId) || text(data.buyer.id) || text(data.requester.id) || text(data.requester_id) || text(data.issue.user.id) || text(data.pull_request.user.id) || text(data.sender.id) || text(data.from.id) || text(data.user_id) || text(data.userId) || text(payload.event.user) || text(data.user) || text(data.participants[0])"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000002",
    "name": "influencer",
    "description": "An influencer: a creator, ambassador, affiliate, partner or blogger on social media such as Instagram, TikTok or YouTube, with handle, platform, followers, audience, engagement, niche, reach.",
    "target_table": "influencers",
    "match_columns": ["handle", "platform"],
    "field_map": {
      "external_id": "event.external_id || text(data.id)",
      "name": "data.name || data.full_name || data.display_name || join_name(data.first_name, data.last_name)",
      "handle": "lower(data.handle || data.username || data.user_name || data.login)",
      "platform": "lower(data.platform || data.network || data.channel)",
      "email": "lower(data.email || data.contact_email || data.contact.email)",
      "followers": "floor(number(data.followers || data.follower_count || data.followers_count || data.audience.size))",
      "profile_url": "data.profile_url || data.profileUrl || data.url || data.link",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000003",
    "name": "subscription",
    "description": "A subscription: a recurring plan, membership, license, trial or renewal, with billing interval, seats, current period start and end, cancel at period end, next billing date.",
    "target_table": "subscriptions",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "event.external_id || text(data.id) || text(data.subscription_id)",
      "customer_external_id": "text(data.customer) || text(data.customer.id) || text(data.customer_id) || text(data.customerId) || text(data.user.id) || text(data.user_id) || text(data.account.id)",
      "customer_email": "lower(data.customer_email || data.customer.email || data.user.email || data.account.email || data.email || data.billing_email)",
      "plan": "data.plan.nickname || data.plan.name || data.items.data[0].price.nickname || data.items.data[0].price.lookup_key || text(data.items.data[0].price.id) || text(data.plan) || data.plan_name || data.product.name || text(data.product) || text(data.plan.id)",
      "status": "text(data.status) || text(data.state)",
      "amount": "(payload.object == 'event' && from_minor_units(multiply(data.items.data[0].price.unit_amount, data.items.data[0].quantity || `1`), data.currency)) || multiply(data.plan.price, data.seats || data.quantity || `1`) || number(data.amount) || number(data.price) || number(data.total) || number(data.amount.value)",
      "currency": "upper(data.currency || data.plan.currency || data.items.data[0].price.currency || data.currency_code || data.amount.currency)",
      "current_period_end": "timestamp(data.current_period_end || data.items.data[0].current_period_end || data.currentPeriodEnd || data.renews_at || data.next_billing_at || data.ends_at || data.expires_at)",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000004",
    "name": "order",
    "description": "An order: a purchase or sale in a shop, checkout, cart, booking, shipment, delivery, fulfillment, return or refund, with basket, line items, products, sku, quantity, shipping address, tracking, discount codes, order number.",
    "target_table": "orders",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "event.external_id || text(data.id) || text(data.order_id)",
      "order_number": "text(data.order_number || data.orderNumber || data.metadata.order_number || data.number || data.reference || data.name)",
      "customer_email": "lower(data.customer_email || data.customer.email || data.customer_details.email || data.buyer.email || data.billing_details.email || data.email || data.contact_email || data.receipt_email || data.user.email)",
      "status": "text(data.status) || data.financial_status || data.payment_status || text(data.state)",
      "total": "(payload.object == 'event' && from_minor_units(data.amount_total || data.amount, data.currency)) || number(data.total) || number(data.total_price) || number(data.current_total_price) || number(data.total_amount) || number(data.amount) || number(data.amount.value) || number(data.total.amount) || number(data.price)",
      "currency": "upper(data.currency || data.currency_code || data.amount.currency || data.total.currency)",
      "ordered_at": "timestamp(data.ordered_at || data.orderedAt || data.processed_at || data.placed_at || data.created_at || data.createdAt || data.created || data.completed_at || payload.timestamp)",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000005",
    "name": "invoice",
    "description": "An invoice: a bill, payment, charge, receipt, estimate or credit note, with invoice number, amount due, due date, overdue balance, tax, billing reason, invoice pdf.",
    "target_table": "invoices",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "event.external_id || text(data.id) || text(data.invoice_id)",
      "number": "text(data.invoice_number || data.invoiceNumber || (data.line_items && data.order_number) || data.number || data.order_number || data.receipt_number)",
      "customer_email": "lower(data.customer_email || data.customer.email || data.customer_details.email || data.billing_details.email || data.billing_email || data.email || data.receipt_email || data.user.email || data.account.email)",
      "status": "text(data.status) || data.payment_status || data.financial_status || text(data.state)",
      "amount": "(payload.object == 'event' && from_minor_units(data.total || data.amount_total || data.amount_due || data.amount, data.currency)) || number(data.total) || number(data.amount_due) || number(data.amount) || number(data.total_price) || number(data.total_amount) || number(data.amount_total) || number(data.amount.value) || number(data.total.amount)",
      "currency": "upper(data.currency || data.currency_code || data.amount.currency || data.total.currency)",
      "issued_at": "timestamp(data.issued_at || data.issuedAt || data.effective_at || data.issue_date || data.invoice_date || data.date || data.ordered_at || data.processed_at || data.created_at || data.createdAt || data.created)",
      "due_at": "timestamp(data.due_at || data.dueAt || data.due_date || data.dueDate)",
      "metadata": "json(data.metadata)"
    }
  },
  {
    "id": "5e1f0000-0000-4000-8000-000000000006",
    "name": "ticket",
    "description": "A support ticket: an issue, case, incident, bug report, question, complaint, inquiry, feedback, help request, message, comment or conversation, with subject, text, reply, thread, channel, priority, category, assignee, labels.",
    "target_table": "tickets",
    "match_columns": ["external_id"],
    "field_map": {
      "external_id": "text(data.conversationId) || text(data.conversation_id) || (payload.event.thread_ts && join(':', [payload.event.channel, payload.event.thread_ts])) || text(data.issue.id) || text(data.pull_request.id) || text(data.ticket.id) || event.external_id || text(data.id)",
      "ticket_number": "text(data.ticket.ticket_number) || text(data.ticket_number) || (data.issue.number && join('#', [data.repository.full_name, text(data.issue.number)])) || (data.pull_request.number && join('#', [data.repository.full_name, text(data.pull_request.number)]))",
      "subject": "data.ticket.subject || data.subject || data.issue.title || data.pull_request.title || data.conversation.title || data.title",
      "message": "text(data.ticket.message) || text(data.message) || data.comment.body || data.issue.body || data.pull_request.body || data.content.text || text(data.content) || data.text || payload.event.text || data.message.text || data.description || text(data.body)",
      "status": "data.ticket.status || data.issue.state || data.pull_request.state || text(data.status) || text(data.state)",
      "priority": "one_of(data.ticket.priority || data.priority, ['low', 'medium', 'high', 'urgent']) || (one_of(data.ticket.priority || data.priority, ['normal']) && 'medium') || (one_of(data.ticket.priority || data.priority, ['critical']) && 'urgent')",
      "category": "text(data.ticket.category) || text(data.category) || data.issue.labels[0].name",
      "customer_email": "lower(data.ticket.customer_email || data.customer_email || data.requester.email || data.customer.email || data.user.email || data.contact.email || data.sender.email || data.from.email || data.email)",
      "customer_name": "data.ticket.customer_name || data.customer_name || data.requester.name || data.customer.name || data.user.name || data.contact.name || data.sender.name || data.from.name || data.issue.user.login || data.pull_request.user.login",
      "url": "data.issue.html_url || data.pull_request.html_url || data.ticket.url || data.html_url || data.permalink || data.url",
      "metadata": "json(data.metadata)"
    }
  }
]
$entity_types$::jsonb)
  as r (id uuid, name text, description text, target_table text, match_columns jsonb, field_map jsonb)
on conflict (user_id, name) do update set
  description = excluded.description, target_table = excluded.target_table, match_columns = excluded.match_columns,
  field_map = excluded.field_map;

-- The event types that ship with Switchhook: what platforms like those it was made for have to tell, each with an example.

insert into public.event_types (id, user_id, name, description, example)
-- An id is made of the name, so that a new type may stand anywhere in the list.
select ('5e1f0000-0000-4000-8001-' || left(md5(r.type ->> 'name'), 12))::uuid, null, r.type ->> 'name', r.type ->> 'description', r.type -> 'example'
from json_array_elements($event_types$
[
  {"name": "conversation.created", "description": "A new conversation is created.", "example":
    {"id": "60d21b4667d0d8992e610c85", "title": "Support Request", "participants": ["user123", "bot456"], "metadata": {"source": "website", "referrer": "contact-page"}, "createdAt": "2026-05-01T12:00:00Z"}},
  {"name": "conversation.updated", "description": "A conversation is updated.", "example":
    {"id": "60d21b4667d0d8992e610c85", "title": "Support Request (urgent)", "participants": ["user123", "bot456"], "metadata": {"source": "website"}, "createdAt": "2026-05-01T12:00:00Z", "updatedAt": "2026-05-01T12:10:00Z"}},
  {"name": "conversation.deleted", "description": "A conversation is deleted.", "example":
    {"id": "60d21b4667d0d8992e610c85", "title": "Support Request", "deletedAt": "2026-05-02T08:00:00Z"}},
  {"name": "conversation.assigned", "description": "A conversation is given to an agent.", "example":
    {"conversationId": "conv_456", "contactId": "contact_789", "assignedTo": {"id": "agent_12", "name": "Grace Hopper"}, "timestamp": "2026-01-01T12:00:00.000Z"}},
  {"name": "conversation.added", "description": "A conversation has a new message.", "example":
    {"conversation": {"id": "0b5e6f0e-6b1f-4c53-9a5e-6f2f6a4f1c11", "ticket_id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "sender": "customer@example.com", "message": "It happens again.", "created_at": "2026-01-15T10:35:00Z"}}},
  {"name": "message.created", "description": "A new message is sent.", "example":
    {"id": "60d21b4667d0d8992e610c86", "conversationId": "60d21b4667d0d8992e610c85", "sender": {"id": "user123", "type": "user"}, "content": {"type": "text", "text": "Hello, I need help with my account."}, "metadata": {"source": "web-client", "clientInfo": {"browser": "Chrome", "os": "Windows"}}, "createdAt": "2026-05-01T12:05:00Z"}},
  {"name": "message.updated", "description": "A message is updated.", "example":
    {"id": "60d21b4667d0d8992e610c86", "conversationId": "60d21b4667d0d8992e610c85", "sender": {"id": "user123", "type": "user"}, "content": {"type": "text", "text": "Hello, I need help with my second account."}, "createdAt": "2026-05-01T12:05:00Z", "updatedAt": "2026-05-01T12:06:00Z"}},
  {"name": "message.deleted", "description": "A message is deleted.", "example":
    {"id": "60d21b4667d0d8992e610c86", "conversationId": "60d21b4667d0d8992e610c85", "deletedAt": "2026-05-01T12:07:00Z"}},
  {"name": "message.new", "description": "A message has come in or gone out.", "example":
    {"messageId": "msg_123", "conversationId": "conv_456", "contactId": "contact_789", "direction": "inbound", "type": "text", "content": "Hello!", "timestamp": "2026-01-01T12:00:00.000Z"}},
  {"name": "message_received", "description": "A chatbot has received a message.", "example":
    {"messageId": "msg_123", "chatbotId": "60d21b4667d0d8992e610c87", "sender": "user123", "text": "Hello!", "receivedAt": "2026-05-01T12:05:00Z"}},
  {"name": "chatbot.created", "description": "A chatbot is created.", "example":
    {"id": "60d21b4667d0d8992e610c87", "name": "Customer Support Bot", "version": "1.0.0", "createdAt": "2026-05-01T11:00:00Z"}},
  {"name": "chatbot.updated", "description": "A chatbot is updated.", "example":
    {"id": "60d21b4667d0d8992e610c87", "name": "Customer Support Bot", "version": "1.1.0", "updatedAt": "2026-05-01T11:30:00Z"}},
  {"name": "chatbot_updated", "description": "A chatbot or what it knows is updated.", "example":
    {"chatbotId": "60d21b4667d0d8992e610c87", "name": "Customer Support Bot", "changed": ["knowledge_base"], "updatedAt": "2026-05-01T11:30:00Z"}},
  {"name": "chatbot.deleted", "description": "A chatbot is deleted.", "example":
    {"id": "60d21b4667d0d8992e610c87", "name": "Customer Support Bot", "deletedAt": "2026-06-01T09:00:00Z"}},
  {"name": "chatbot.trained", "description": "A chatbot completes training.", "example":
    {"id": "60d21b4667d0d8992e610c87", "name": "Customer Support Bot", "version": "1.2.0", "training": {"startedAt": "2026-05-01T12:30:00Z", "completedAt": "2026-05-01T13:00:00Z", "status": "success", "metrics": {"accuracy": 0.92, "f1Score": 0.89, "precision": 0.91, "recall": 0.88}}}},
  {"name": "chatbot.deployed", "description": "A chatbot is deployed.", "example":
    {"id": "60d21b4667d0d8992e610c87", "name": "Customer Support Bot", "version": "1.2.0", "environment": "production", "deployedAt": "2026-05-01T13:30:00Z"}},
  {"name": "user.created", "description": "A new user is created.", "example":
    {"id": "user123", "email": "ada@example.com", "name": "Ada Lovelace", "createdAt": "2026-05-01T10:00:00Z"}},
  {"name": "user.updated", "description": "A user's profile is updated.", "example":
    {"id": "user123", "email": "ada@example.com", "name": "Ada King", "updatedAt": "2026-05-03T10:00:00Z"}},
  {"name": "user.deleted", "description": "A user is deleted.", "example":
    {"id": "user123", "deletedAt": "2026-06-01T10:00:00Z"}},
  {"name": "user.login", "description": "A user logs in.", "example":
    {"id": "user123", "email": "ada@example.com", "loginAt": "2026-05-01T10:00:00Z"}},
  {"name": "user.logout", "description": "A user logs out.", "example":
    {"id": "user123", "email": "ada@example.com", "logoutAt": "2026-05-01T18:00:00Z"}},
  {"name": "campaign.started", "description": "A campaign begins to be sent.", "example":
    {"campaignId": "camp_42", "name": "Spring sale", "recipients": 1200, "startedAt": "2026-03-20T08:00:00.000Z"}},
  {"name": "campaign.completed", "description": "A campaign has been sent to everybody.", "example":
    {"campaignId": "camp_42", "name": "Spring sale", "recipients": 1200, "delivered": 1188, "failed": 12, "completedAt": "2026-03-20T09:10:00.000Z"}},
  {"name": "ticket.created", "description": "A ticket is opened.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request", "message": "Customer message here", "status": "new", "priority": "medium", "category": "Technical", "customer_email": "customer@example.com", "customer_name": "John Doe"}}},
  {"name": "ticket.updated", "description": "A ticket is changed.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request", "status": "open", "priority": "high", "customer_email": "customer@example.com"}}},
  {"name": "ticket.resolved", "description": "A ticket is resolved.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request", "status": "resolved", "priority": "high", "customer_email": "customer@example.com"}}},
  {"name": "ticket.escalated", "description": "A ticket is handed on to somebody with more say.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request", "status": "escalated", "priority": "urgent", "customer_email": "customer@example.com"}}},
  {"name": "ticket.deleted", "description": "A ticket is deleted.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request", "status": "resolved"}}},
  {"name": "ai.response.generated", "description": "An answer to a ticket has been written by AI.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request"}, "ai_response": {"id": "2f9f9d7e-0f0f-4c8b-8a5e-7a55cf3a9d10", "text": "Please try to sign in again.", "confidence": 0.87}}},
  {"name": "ai.response.requires_review", "description": "An answer by AI waits for a person to look at it.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request"}, "ai_response": {"id": "2f9f9d7e-0f0f-4c8b-8a5e-7a55cf3a9d10", "text": "Please try to sign in again.", "confidence": 0.41}}},
  {"name": "ai.response.approved", "description": "An answer by AI is approved.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request"}, "ai_response": {"id": "2f9f9d7e-0f0f-4c8b-8a5e-7a55cf3a9d10", "text": "Please try to sign in again.", "approved_by": "grace@example.com"}}},
  {"name": "ai.response.rejected", "description": "An answer by AI is rejected.", "example":
    {"ticket": {"id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "ticket_number": "TKT-2026-001", "subject": "Support Request"}, "ai_response": {"id": "2f9f9d7e-0f0f-4c8b-8a5e-7a55cf3a9d10", "text": "Please try to sign in again."}, "reason": "The customer has tried that."}},
  {"name": "feedback.received", "description": "A customer has given feedback.", "example":
    {"feedback": {"id": "8d0a1a0b-52f5-4f55-b2ba-0b0a6a1f4a21", "ticket_id": "6a1b9c0e-8f57-4a11-9a43-b1de1c6c0d02", "rating": 5, "comment": "Quick and kind.", "customer_email": "customer@example.com"}}},
  {"name": "contact.created", "description": "A contact is created.", "example":
    {"id": "cust_123", "name": "John Doe", "email": "john@example.com", "phone": "+1234567890", "company": "Acme Inc", "metadata": {}}},
  {"name": "order.completed", "description": "An order is completed.", "example":
    {"id": "order_1001", "order_number": "1001", "total": 129.9, "currency": "EUR", "customer": {"name": "Ada Lovelace", "email": "ada@example.com"}}},
  {"name": "webhook.disabled", "description": "Switchhook has switched a webhook off, because its receiver is gone or has failed for five days.", "example":
    {"webhook": {"id": "60a3c9a4-52f0-4f0e-8c56-0a4f6c1d7e01", "name": "My Application Webhook", "url": "https://example.com/webhooks/chatbots", "events": ["conversation.created"]}, "reason": "The receiver answered 410 Gone"}},
  {"name": "webhook.test", "description": "A test send to a webhook that subscribes to no event by name.", "example":
    {"message": "This is a test."}}
]
$event_types$::json) as r (type)
on conflict (user_id, name) do update set description = excluded.description, example = excluded.example;

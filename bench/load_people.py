"""Statements that invent campaigns, products, profiles, customers and orders. All sizes are parameters.

Receivers, the postback profiles, go by number: 1 and 2 get most; of the last ones some get a handful, some nothing.
"""

from __future__ import annotations

CAMPAIGNS, PRODUCTS = 200, 1_000
TESTER = "1"
"""The customer with whom everybody tests: every 500th order is theirs."""

RECORDS = (
    f"""INSERT INTO campaigns (campaign_id, name) SELECT n::text, 'Lander ' || n FROM generate_series(1, {CAMPAIGNS}) n""",
    f"""INSERT INTO products (product_id, name, sku) SELECT n::text, 'Widget ' || n, 'W-' || n
    FROM generate_series(1, {PRODUCTS}) n""",
)

# What a closed gate keeps waiting: everything made from `since` on, until `until`.
RECEIVERS = """CREATE TEMPORARY TABLE receivers AS
    SELECT n AS id, k.closed, now() - k.since AS since, now() - coalesce(k.until, interval '0') AS until
    FROM generate_series(1, :postbacks) n
    LEFT JOIN (VALUES
        (1, 'breaker', interval '3 days', NULL),
        (2, 'paused', interval '30 days', NULL),
        (17, 'breaker', interval '2 hours', NULL),
        (19, 'gone', interval '20 days', NULL),
        (23, 'blocked', interval '1 day', NULL),
        (29, 'settings', interval '5 days', NULL),
        (31, 'disabled', interval '40 days', interval '38 days'),
        (37, 'disabled', interval '80 days', interval '60 days'),
        (41, 'deleted', NULL, NULL),
        (43, 'deleted', NULL, NULL)) AS k (id, closed, since, until) ON k.id = n"""

PROFILES = """INSERT INTO profiles (id, name, export_type, enabled, paused, interval_minutes, settings, created_at, deleted_at)
    SELECT n, to_char(n, 'FM0000') || ' ' || (ARRAY['Call centre', 'Leads', 'Fulfilment', 'Mailings', 'Ad platform'])[1 + n % 5],
        CASE WHEN n <= :postbacks THEN 'postback' WHEN n % 2 = 0 THEN 'csv' ELSE 'ftp' END,
        r.closed IS DISTINCT FROM 'disabled', r.closed IS NOT DISTINCT FROM 'paused',
        CASE WHEN n % 4 = 0 THEN 0 ELSE 15 END,
        CASE WHEN n <= :postbacks THEN jsonb_set(CAST(:postback AS jsonb), '{url}',
                to_jsonb('https://receiver-' || n || '.example.com/leads'))
            WHEN n % 2 = 0 THEN CAST(:csv AS jsonb) ELSE CAST(:ftp AS jsonb) END,
        now() - make_interval(days => :days), CASE WHEN r.closed = 'deleted' THEN now() - interval '1 day' END
    FROM generate_series(1, :profiles) n LEFT JOIN receivers r ON r.id = n"""

GATES = """INSERT INTO gates (profile_id, fault, fault_message, fault_since)
    SELECT p.id, f.fault, CASE WHEN f.fault IS NOT NULL THEN 'HTTP 503' END, CASE WHEN f.fault IS NOT NULL THEN r.since END
    FROM profiles p LEFT JOIN receivers r ON r.id = p.id
    LEFT JOIN (VALUES ('breaker'), ('gone'), ('blocked'), ('settings')) AS f (fault) ON f.fault = r.closed"""

MAPPINGS = """INSERT INTO mappings (profile_id, position, export_name, field)
    SELECT p.id, m.position, m.name, m.field FROM profiles p CROSS JOIN (VALUES (1, 'first_name', 'firstName'),
        (2, 'last_name', 'lastName'), (3, 'email_address', 'emailAddress'), (4, 'phone', 'phoneNumber'),
        (5, 'order_date', 'orderDate'), (6, 'campaign_number', 'campaignId')) AS m (position, name, field)"""

# A file profile has the one route whose number is its own.
ROUTES = f"""INSERT INTO routes (id, profile_id, customer_type, campaign_id)
    SELECT p.id, p.id, CASE WHEN p.id % 3 = 0 THEN 'partial' ELSE 'new_sale' END,
        CASE WHEN p.id > 20 THEN (1 + p.id % {CAMPAIGNS})::text END FROM profiles p
    UNION ALL SELECT p.id + :profiles, p.id, 'recurring_order', NULL FROM profiles p WHERE p.export_type = 'postback'"""

CUSTOMERS = """INSERT INTO customers (customer_id, email, phone, phone_digits, first_name, last_name, created_at, last_seen_at)
    SELECT n::text, 'zoe' || n || '@example.com', '(650) ' || to_char(n, 'FM0000000'), '650' || to_char(n, 'FM0000000'),
        (ARRAY['Zoë', 'Ann', 'Bo', 'Cy', 'Dee', 'Eve', 'Flo'])[1 + n % 7], (ARRAY['Søn', 'Lee', 'May', 'Ode', 'Poe'])[1 + n % 5],
        now() - make_interval(days => :days), now() - make_interval(secs => :days * 86400.0 * (n % 997) / 997)
    FROM generate_series(1, :customers) n"""

CUSTOMER_OF_ORDER = """(CASE WHEN o % 500 = 0 THEN 1 WHEN o % 97 = 0 THEN 2 + o % 99
    ELSE 1 + (o * 2654435761) % :customers END)::text"""
"""Most buy once or twice, a hundred buy all the time, one tests."""

ORDERS = f"""INSERT INTO orders (order_key, order_id, customer_id, campaign_id, order_status, order_total, currency_code,
        test_card, completed_at, created_at, last_event_at)
    SELECT upper(to_hex(o + 1048576)), o::text, {CUSTOMER_OF_ORDER}, (1 + o % {CAMPAIGNS})::text,
        CASE WHEN o % 6 = 0 THEN 'PARTIAL' ELSE 'COMPLETE' END, (o % 300)::text || '.95', 'USD', o % 70 = 0,
        CASE WHEN o % 6 <> 0 THEN at END, at, at
    FROM (SELECT o, now() - make_interval(secs => :days * 86400.0 * (:orders - o) / :orders) AS at
        FROM generate_series(CAST(:first AS bigint), :last) o) AS made"""

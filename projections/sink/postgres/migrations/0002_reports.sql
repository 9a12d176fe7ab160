-- What people read: every visible table as a view with decimal amounts.
CREATE SCHEMA IF NOT EXISTS allied_report;

-- An amount in the unit that people write, from its asset: 12345 in EUR/2@tracker is 123.45. Exact; null where the asset is empty.
CREATE FUNCTION allied.decimal(amount numeric, asset text) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	AS $$ SELECT amount * ('1e-' || pg_catalog.substring(asset, '^[^/]+/([0-9])[@:]'))::numeric $$;

-- sum is exact here; exact_sum is the same under the name that it has in SQLite, where sum is not. Amounts as text are read as numbers.
CREATE AGGREGATE allied.exact_sum(numeric) (SFUNC = pg_catalog.numeric_add, STYPE = numeric, COMBINEFUNC = pg_catalog.numeric_add, PARALLEL = SAFE);
CREATE FUNCTION allied.add_text(total numeric, amount text) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT CASE WHEN amount IS NULL THEN total ELSE coalesce(total, 0) + amount::numeric END $$;
CREATE AGGREGATE allied.exact_sum(text) (SFUNC = allied.add_text, STYPE = numeric);

-- What `allied sql` asks: every visible table under its bare name, with the functions that such statements know. search_path puts this schema
-- before pg_catalog, so that sum here goes before the server's own.
CREATE SCHEMA IF NOT EXISTS allied_sql;

-- A sum as an integer of 64 bits, or an error: what divides or compares it does so with integers. The text of a number with decimals, or of one
-- that is too large, is no bigint, where a number would be rounded.
CREATE OR REPLACE FUNCTION allied_sql.as_integer(total numeric) RETURNS bigint
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	AS $$ SELECT total::text::bigint $$;
CREATE OR REPLACE AGGREGATE allied_sql.sum(numeric) (
	SFUNC = pg_catalog.numeric_add, STYPE = numeric, FINALFUNC = allied_sql.as_integer, COMBINEFUNC = pg_catalog.numeric_add,
	MSFUNC = pg_catalog.numeric_add, MINVFUNC = pg_catalog.numeric_sub, MSTYPE = numeric, MFINALFUNC = allied_sql.as_integer, PARALLEL = SAFE);
CREATE OR REPLACE AGGREGATE allied_sql.sum(bigint) (
	SFUNC = pg_catalog.int8_sum, STYPE = numeric, FINALFUNC = allied_sql.as_integer, COMBINEFUNC = pg_catalog.numeric_add, PARALLEL = SAFE);

-- A sum of any size.
CREATE OR REPLACE AGGREGATE allied_sql.exact_sum(numeric) (
	SFUNC = pg_catalog.numeric_add, STYPE = numeric, COMBINEFUNC = pg_catalog.numeric_add,
	MSFUNC = pg_catalog.numeric_add, MINVFUNC = pg_catalog.numeric_sub, MSTYPE = numeric, PARALLEL = SAFE);

-- An amount in the unit that people write; null where the asset is empty. What is no asset is an error that names it.
CREATE OR REPLACE FUNCTION allied_sql.decimal(amount numeric, asset text) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	AS $$ SELECT CASE WHEN asset <> '' THEN amount * ('1e-' || coalesce(pg_catalog.substring(asset, '^[^/]+/([0-9])[@:]'), ' of the asset ' || asset))::numeric END $$;

-- Amounts as text are read as numbers.
CREATE OR REPLACE FUNCTION allied_sql.add_text(total numeric, amount text) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT CASE WHEN amount IS NULL THEN total ELSE coalesce(total, 0) + amount::numeric END $$;
CREATE OR REPLACE AGGREGATE allied_sql.exact_sum(text) (SFUNC = allied_sql.add_text, STYPE = numeric);
CREATE OR REPLACE FUNCTION allied_sql.decimal(amount text, asset text) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	AS $$ SELECT allied_sql.decimal(amount::numeric, asset) $$;

-- Numbers of events without an update of the head row: a snapshot that is held open would keep each of its versions, and every update walks past them all.

-- The newest number as the asking statement sees it, also when the events were pruned.
CREATE FUNCTION "newestNumber"() RETURNS BIGINT LANGUAGE sql STABLE AS $$
  SELECT GREATEST("last", "pruned", (SELECT max("number") FROM "Event")) FROM "EventHead" WHERE "id" = 1
$$;

-- The first of some numbers. Locking the row makes no version of it, and lasts until the commit; what is read behind the lock sees all that was committed under it.
CREATE FUNCTION "takeNumbers"() RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM 1 FROM "EventHead" WHERE "id" = 1 FOR UPDATE;
  RETURN "newestNumber"() + 1;
END $$;

-- Servers of the version before go on beside this one while they are upgraded: they update the row, and get numbers that are above all.
CREATE FUNCTION "numbersByUpdate"() RETURNS TRIGGER LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF NEW."last" > OLD."last" THEN
    NEW."last" := GREATEST(OLD."last", OLD."pruned", (SELECT max("number") FROM "Event")) + (NEW."last" - OLD."last");
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER "EventHead_numbers" BEFORE UPDATE OF "last" ON "EventHead" FOR EACH ROW EXECUTE FUNCTION "numbersByUpdate"();

-- A row holds its vector in line and so is always over 2 kB, from where on Postgres puts whatever text it can out of
-- line: content, source and members, each to be looked up in turn. A page has room for all of it beside the vector, and
-- for nothing else. Rows written before keep what is out of line there until they are written anew.
DO $spaces$
DECLARE
    space record;
BEGIN
    FOR space IN SELECT schema FROM index_space LOOP -- a first one is not noted yet, and has it from the beginning
        EXECUTE format('ALTER TABLE %I.memories SET (toast_tuple_target = ${tuple_target})', space.schema);
    END LOOP;
END
$spaces$;

-- The functions of strategies.py anew, in every space there is; a first one is not noted yet and has just got them. The
-- one of fewer parameters stays for programs of the version before, which ask it until they are replaced.
DO $spaces$
DECLARE
    space record;
    path text := current_setting('search_path');
BEGIN
    FOR space IN SELECT schema, number, dimensions FROM index_space LOOP
        PERFORM set_config('search_path', format('%I, %s', space.schema, path), true);
        EXECUTE replace($functions$${search_functions_of_a_space}$functions$, '%dimensions%', space.dimensions::text);
        IF space.number > 1 THEN -- as space.sql makes them
            ALTER FUNCTION memory_strategy SET search_path FROM CURRENT;
            ALTER FUNCTION memory_search(${search_types}) SET search_path FROM CURRENT;
        END IF;
        PERFORM set_config('search_path', path, true);
    END LOOP;
END
$spaces$;

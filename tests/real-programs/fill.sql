create table fruit (id integer primary key, name text unique, price real);
begin;
insert into fruit (name, price) values ('apple', 0.5), ('pear', 0.75), ('plum', 0.25);
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 5000)
insert into fruit (name, price) select 'fruit ' || n, n / 100.0 from numbers;
commit;
create index by_price on fruit (price);
select count(*) from fruit;

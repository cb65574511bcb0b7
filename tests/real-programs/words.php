<?php
// Counts words, and reads back what it wrote.
$text = "the quick brown fox jumps over the lazy dog; the end";
$counts = array_count_values(str_word_count($text, 1));
arsort($counts);
echo key($counts), " ", current($counts), "\n";
file_put_contents("/data/php.json", json_encode(array_keys($counts)));
echo count(json_decode(file_get_contents("/data/php.json"))), "\n";
printf("%05.2f %s\n", M_PI, hash("sha256", "wrun"));
exit(6);

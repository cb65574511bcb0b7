# Counts words, with blocks, symbols, regular expressions and big numbers.

text = "the quick brown fox jumps over the lazy dog; the end"
counts = text.scan(/\w+/).tally.sort_by { |word, count| [-count, word] }
counts.first(3).each { |word, count| puts "#{count} #{word}" }
puts (1..30).inject(:*)
File.write("/data/ruby.txt", counts.to_h.keys.sort.join(","))
puts File.read("/data/ruby.txt").length
begin
  Integer("x")
rescue ArgumentError => error
  puts error.message
end
exit 4

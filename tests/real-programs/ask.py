"""Talks: asks for names until the input ends, and greets each."""

count = 0
while True:
    try:
        name = input("name? ")
    except EOFError:
        break
    count += 1
    print(f"hello, {name}", flush=True)
print(f"{count} names")

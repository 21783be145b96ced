"""What somebody adds who only imports nappo2: an algorithm in a file each."""

Console.WriteLine("wayang");

using Wayang.Fast.Host.Cli;
using Wayang.Fast.Host.Serving;

CommandLineInterface.Daemon = Daemon.RunAsync;
return await CommandLineInterface.RunAsync(args);

using System.CommandLine;
using System.Globalization;

using Wayang.Fast.Contracts.Operations;

namespace Wayang.Fast.Host.Cli;

/// <summary><c>wayang tenants</c>: what each tenant may have of the node, and what it had.</summary>
internal static class TenantsCommand
{
    public static Command Build()
    {
        var command = new Command("tenants", "Lists tenants: weight, bounds, what they run and had of the node's slots.");
        DetailedHelp.Describe(
            command,
            """
            The default tenant sees all of them, another one itself. They are configured in the section 'tenants'.

            Example:
              wayang tenants --json
            """);
        command.SetAction(static async (result, cancellation) =>
        {
            var session = await RuntimeSession.ConnectAsync(result.GetValue(ClientOptions.Socket), cancellation);
            await using (session)
            {
                Print(await session.Client.ListTenantsAsync(cancellation), result.GetValue(ClientOptions.Json));
            }

            return ExitCodes.Success;
        });
        return command;
    }

    private static void Print(IReadOnlyList<TenantInfo> tenants, bool json)
    {
        if (json)
        {
            JsonText.Print(writer => JsonText.WriteTenants(writer, tenants));
            return;
        }

        Console.Out.WriteLine($"{"TENANT",-24}{"ID",7}{"WEIGHT",8}{"CLASS",8}{"RUNNING",16}{"QUEUED",16}{"FINISHED",12}{"SLOT TIME",12}{"REFUSED",9}");
        foreach (var tenant in tenants)
        {
            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{tenant.Name,-24}{tenant.Id,7}{tenant.Weight,8}{WireNames.Text(tenant.HighestClass),8}{Of(tenant.Running, tenant.MaxRunning),16}{Of(tenant.Queued, tenant.MaxQueued),16}{tenant.Finished,12:#,0}{Top.TopView.Span(TimeSpan.FromMicroseconds(tenant.SlotMicroseconds)),12}{tenant.Refused,9:#,0}"));
        }
    }

    private static string Of(int count, int bound) =>
        bound == 0 ? count.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{count} of {bound}");
}

using System.Globalization;
using System.Text;

namespace Wayang.Fast.Host.Configuration;

/// <summary>Documentation made of the keys: the commented example, the README's tables.</summary>
public static class ConfigurationText
{
    private const string ImagesExample =
        """
        # Images that the runtime has from its start; a relative file is looked for beside this one. At most 64, of 64 MiB each and
        # 256 MiB together. profile: of tasks that name none (compute, standard, or one of --policy).
        #images:
        #  - {name: text, kind: c, file: plugins/text.so}
        #  - {name: score, kind: python, file: score.py, preload: [json, math]}
        #  - {name: shell, kind: command, profile: standard}

        # Tenants: weight shares out the slots of the node (limits.concurrent_tasks) among those that have tasks of one class waiting, 1 to 1000, 100
        # where none is given; bounds of its own on tasks running, queued, and the bytes of their inputs; the highest class that it may use; connect: the
        # destinations that its tasks may be granted (beside their profile's bounds; [] is none); users
        # of the unix socket, by name or uid, who are this tenant. Tokens name a tenant by its id (0 to 32767; without one it is made of the name). '*' is all others.
        #tenants:
        #  - {name: research, id: 1, weight: 400, users: [1001, 1002]}
        #  - {name: nightly, id: 2, weight: 50, max_running: 8, max_queued: 10000, max_queued_bytes: 256MiB, highest_class: batch}
        #  - {name: '*', weight: 100, max_queued: 1000}

        # Nodes beside this one, which a call can go on at. Each names the others, by the name that they have as node.name, and where they answer (rpc_tcp.address there, with
        # tls). certificate: the name that the peer's certificate has, where it is not its name; fingerprint: the SHA-256 of its one certificate. Both sides show certificates
        # that tls.client_ca_file has signed: wayang cert issue NAME --peer. At most 64.
        #peers:
        #  - {name: node2, address: 'tls://node2.example:7800'}
        #  - {name: node3, address: 'tls://10.0.0.3:7800', certificate: node3.example}

        """;

    /// <summary>A complete example: every key with its default; what has none, or is another name, stands behind '#'.</summary>
    public static string Example()
    {
        var text = new StringBuilder();
        text.Append(
            """
            # A configuration of wayang: every key, with its default. Each may be left out. Keys behind '#' have no default, or are the
            # specification's names. The environment goes before the file (WAYANG__LIMITS__QUEUED_TASKS=5000), the command line before both.
            # Check it: wayang config check FILE. What may be changed while the runtime serves: all but [restart]; then: wayang config reload.


            """);
        var open = Array.Empty<string>();
        foreach (var key in ConfigurationKeys.All)
        {
            var sections = key.Name.Split('.')[..^1];
            var mark = IsLive(key) ? string.Empty : "#";
            var same = sections.Zip(open).TakeWhile(static p => p.First == p.Second).Count();
            for (var i = same; i < sections.Length; i++)
            {
                var isOwn = ConfigurationKeys.All.Any(k => IsLive(k) && k.Name.StartsWith(string.Join('.', sections[..(i + 1)]) + ".", StringComparison.Ordinal));
                text.Append(i == 0 && text.Length > 0 ? "\n" : string.Empty).Append(CultureInfo.InvariantCulture, $"{(isOwn ? "" : "#")}{Indent(i)}{sections[i]}:\n");
            }

            open = sections;
            var line = $"{mark}{Indent(sections.Length)}{key.LeafName}: {(IsLive(key) ? key.Default : key.Sample)}";
            text.Append(CultureInfo.InvariantCulture, $"{line,-44} # {Words(key)}\n");
        }

        return text.Append('\n').Append(ImagesExample).ToString();
    }

    /// <summary>The README's two tables: our keys, and the specification's.</summary>
    public static string Tables()
    {
        var text = new StringBuilder("| key | default | allowed | | reload |\n|---|---|---|---|---|\n");
        foreach (var key in ConfigurationKeys.All.Where(static k => !IsOfTheSpecification(k)))
        {
            text.Append(CultureInfo.InvariantCulture, $"| `{key.Name}` | {key.DefaultWords ?? key.Default} | {key.Allowed} | {key.Description} | {Change(key)} |\n");
        }

        text.Append("\n| key of the specification, below `runtime.agents.` | allowed | is |\n|---|---|---|\n");
        foreach (var key in ConfigurationKeys.All.Where(IsOfTheSpecification))
        {
            text.Append(CultureInfo.InvariantCulture, $"| `{key.Name["runtime.agents.".Length..]}` | {key.Allowed} | {Meaning(key)} |\n");
        }

        return text.ToString();
    }

    public static string Change(ConfigurationKey key) => key.Change switch
    {
        KeyChange.Live => "live",
        KeyChange.LiveUpToStart => "live up to its value at the start",
        _ => "restart",
    };

    private static bool IsLive(ConfigurationKey key) => key.SameAs is null && key.Later is null && key.Sample is null;

    private static bool IsOfTheSpecification(ConfigurationKey key) => key.Name.StartsWith("runtime.", StringComparison.Ordinal);

    private static string Meaning(ConfigurationKey key) =>
        key.SameAs is { } name ? key.Kind == KeyKind.Decimal ? $"`{name}` / 100" : key.Factor == 1 ? $"`{name}`" : string.Create(CultureInfo.InvariantCulture, $"`{name}` / {key.Factor}")
        : key.Only is { } only ? $"always so: {only.Reason}"
        : $"read and checked, not active yet; will be served by {key.Later}";

    private static string Words(ConfigurationKey key)
    {
        var change = key.Change == KeyChange.Restart ? " [restart]" : key.Change == KeyChange.LiveUpToStart ? " [raising it: restart]" : string.Empty;
        var meaning = key.SameAs is { } name ? $" The same as {name}." : key.Later is not null ? " Not active yet." : string.Empty;
        return $"{key.Description} {char.ToUpperInvariant(key.Allowed[0])}{key.Allowed[1..]}.{meaning}{change}";
    }

    private static string Indent(int depth) => new(' ', depth * 2);
}

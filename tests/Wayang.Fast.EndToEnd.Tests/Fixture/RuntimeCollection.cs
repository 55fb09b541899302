using Xunit;

namespace Wayang.Fast.EndToEnd.Tests.Fixture;

/// <summary>One runtime at a time: each keeps all processors busy.</summary>
[CollectionDefinition("runtimes", DisableParallelization = true)]
public sealed class RuntimeCollection;
